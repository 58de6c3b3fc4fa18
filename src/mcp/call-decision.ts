import { randomUUID } from 'node:crypto';
import type { Refused } from '../core/refusals.js';
import type { FrameId } from './frame-types.js';
import type { LeashContext, PendingRequest } from './leash-context.js';
import type { LeashDecision, ToolGrant } from './leash-types.js';
import { refusedCallLine, shownTool } from './refusal-answers.js';

/**
 * Asks whether a call may go, at once, and lets it go or answers it when the authorizer has said so. A call that
 * continues one which the server answered `input_required` is checked, and not charged again.
 */
export function decideCall(
  context: LeashContext,
  id: FrameId,
  call: PendingRequest & { readonly tool: string },
  requestState: unknown,
): void {
  const { authorizer, memory } = context;
  const decisionId = randomUUID();
  const tool = context.storeName(call.tool);
  const isRepeat = memory.takeState(call.tool, requestState);

  function settle(answer: ToolGrant | Refused): void {
    call.isDecided = true;
    if (call.isCancelled) context.clientRequests.forget(id);
    context.decided(decisionOf(answer, { decisionId, tool, isRepeat, isCancelled: call.isCancelled }));
    if (answer.ok) {
      call.held?.release();
      return;
    }
    if (isRepeat) memory.putStateBack(call.tool, requestState);
    if (call.isCancelled) return;
    call.held?.drop();
    context.clientRequests.forget(id);
    const { tool: shown, isModern } = call;
    context.toClient.write(
      refusedCallLine({ id, tool: shown, refusal: answer.refusal, decisionId, isModern }),
    );
  }

  void ask(() =>
    isRepeat ? authorizer.check(tool, { decisionId }) : authorizer.use(tool, { decisionId }),
  ).then(settle);
}

/** Nothing is allowed because something broke: an authorizer that throws has not answered. */
async function ask(question: () => Promise<ToolGrant | Refused>): Promise<ToolGrant | Refused> {
  try {
    return await question();
  } catch {
    return {
      ok: false,
      refusal: {
        code: 'STORAGE_UNAVAILABLE',
        message: 'The session could not be asked whether this call may be made.',
        retryable: true,
        outcome: 'unknown',
      },
    };
  }
}

interface DecisionFacts {
  readonly decisionId: string;
  readonly tool: string;
  readonly isRepeat: boolean;
  readonly isCancelled: boolean;
}

function decisionOf(answer: ToolGrant | Refused, facts: DecisionFacts): LeashDecision {
  return {
    at: new Date().toISOString(),
    decisionId: facts.decisionId,
    tool: shownTool(facts.tool),
    code: answer.ok ? 'GRANTED' : answer.refusal.code,
    ...(answer.ok ? { remaining: answer.remaining } : {}),
    ...(facts.isRepeat ? { repeated: true } : {}),
    ...(facts.isCancelled ? { cancelled: true } : {}),
  };
}
