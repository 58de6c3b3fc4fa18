import type { Refusal } from '../core/refusals.js';
import { escapeLineSeparators } from './frame-check.js';
import { type FrameId, invalidParamsCode } from './frame-types.js';
import { toolShownCharsMax } from './leash-limits.js';

/** The line of a JSON-RPC error. */
export function errorLine(id: FrameId | null, code: number, message: string): string {
  return answerLine({ jsonrpc: '2.0', id, error: { code, message } });
}

/** A refused `tools/call`, and how to answer it. */
export interface RefusedCall {
  readonly id: FrameId;
  readonly tool: string;
  readonly refusal: Refusal;
  readonly decisionId: string;
  /** Revision 2026-07-28 asks for a `resultType` in every result. */
  readonly isModern: boolean;
}

/**
 * The line that answers a refused call. A tool outside the session gets the error of a tool that does not exist, the
 * same bytes for both; everything else is a result that a model reads and a program finds under `ambit/refusal`.
 * (An error would be shown to neither; `structuredContent` would be validated against the tool's `outputSchema`.)
 */
export function refusedCallLine(call: RefusedCall): string {
  const { refusal } = call;
  if (hidesTool(refusal))
    return errorLine(call.id, invalidParamsCode, `Unknown tool: ${shownTool(call.tool)}`);
  const remaining = remainingOf(refusal);
  return answerLine({
    jsonrpc: '2.0',
    id: call.id,
    result: {
      ...(call.isModern ? { resultType: 'complete' } : {}),
      content: [{ type: 'text', text: `${sentence(refusal.message)} ${retryAdvice(refusal)}` }],
      isError: true,
      _meta: {
        'ambit/refusal': {
          code: refusal.code,
          message: refusal.message,
          retryable: refusal.retryable,
          ...(refusal.retryAfterMs === undefined ? {} : { retryAfterMs: refusal.retryAfterMs }),
          ...(remaining === undefined ? {} : { remaining }),
          decisionId: call.decisionId,
        },
      },
    },
  });
}

/** As much of a tool's name as an answer or the log repeats. */
export function shownTool(tool: string): string {
  if (tool.length <= toolShownCharsMax) return tool;
  // Not in the middle of a surrogate pair.
  return `${tool.slice(0, toolShownCharsMax).replace(/[\uD800-\uDBFF]$/, '')}…`;
}

/** A name the session could never hold (too long, with control characters) is unknown like any other. */
function hidesTool(refusal: Refusal): boolean {
  return refusal.code === 'TOOL_NOT_AUTHORIZED' || refusal.code === 'INVALID_INPUT';
}

function remainingOf(refusal: Refusal): { readonly calls: number } | undefined {
  if (refusal.code !== 'BUDGET_EXCEEDED' || refusal.limit === undefined || refusal.used === undefined)
    return undefined;
  return { calls: Math.max(0, refusal.limit - refusal.used) };
}

function sentence(message: string): string {
  return /[.!?]$/.test(message) ? message : `${message}.`;
}

function retryAdvice(refusal: Refusal): string {
  if (!refusal.retryable) {
    return 'Do not repeat this call: the answer stays the same. Finish with what you have, or ask the person in charge.';
  }
  const doubt =
    refusal.outcome === 'unknown' ? ' It may have been counted, but the tool was not called.' : '';
  const wait = refusal.retryAfterMs === undefined ? 'later' : `in ${refusal.retryAfterMs} ms or later`;
  return `The tool was not called; the same call may be granted ${wait}.${doubt}`;
}

/** Other line readers end a line at separators that JSON leaves alone. */
function answerLine(frame: object): string {
  return escapeLineSeparators(JSON.stringify(frame));
}
