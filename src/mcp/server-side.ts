import { isUtf8 } from 'node:buffer';
import type { Refused } from '../core/refusals.js';
import { parseJson } from './frame-check.js';
import type { FrameLine } from './frame-lines.js';
import { type Envelope, scanEnvelope } from './envelope-scan.js';
import { isDepthWithin } from './frame-spans.js';
import { type FrameId, internalErrorCode, invalidRequestCode, isJsonObject } from './frame-types.js';
import type { LeashContext, PendingRequest } from './leash-context.js';
import { frameDepthMax } from './leash-limits.js';
import type { ToolScope } from './leash-types.js';
import { errorLine } from './refusal-answers.js';
import { filterToolList, type ServerAnswer, trimAnnouncement } from './server-answers.js';

/** Passes one line of the server on as it is, but for lists and announcements; what is not JSON-RPC is dropped. */
export async function handleServerLine(context: LeashContext, line: FrameLine): Promise<void> {
  if (line.kind === 'too-long') {
    giveUpOn(context, line.envelope, `longer than ${context.limits.downstreamLineBytesMax} bytes`);
    return;
  }
  if (line.bytes.length === 0) return;
  const answer = readServerLine(line.bytes);
  if (answer === undefined) {
    const why = 'not a JSON-RPC message (a server logs to stderr, not stdout), not UTF-8, or nested too deep';
    giveUpOn(context, scanEnvelope(line.bytes), why);
    return;
  }
  const passed = await judgeServerFrame(context, answer);
  if (passed === 'as-is') context.toClient.write(Buffer.concat([line.bytes, lineEnd]));
  else if (passed !== 'drop') context.toClient.write(passed.line);
}

type Passage = 'as-is' | 'drop' | { readonly line: string };

const lineEnd = Buffer.from('\n');

/** Drops a line that cannot be passed on. Whoever waits for what stood in it is told, and its place is free again. */
function giveUpOn(context: LeashContext, { id, kind }: Envelope, why: string): void {
  context.notice(`dropped a line of the server: ${why}`);
  if (id === undefined) return;
  if (kind === 'request') {
    context.upstream.push(errorLine(id, invalidRequestCode, 'Message not passed on: it cannot be read'));
    return;
  }
  const answered = kind === 'answer' ? context.clientRequests.answer(id) : undefined;
  if (answered === undefined || answered.late) return;
  const what = answered.request.method === 'tools/call' ? ' The tool was called.' : '';
  context.toClient.write(
    errorLine(id, internalErrorCode, `The server's answer cannot be passed on: it is ${why}.${what}`),
  );
}

function judgeServerFrame(context: LeashContext, answer: ServerAnswer): Passage | Promise<Passage> {
  const { frame } = answer;
  const { id, method } = frame;
  if (typeof method === 'string') {
    if (isFrameId(id)) return trackServerRequest(context, id);
    if (method === 'notifications/cancelled') noteServerCancel(context, frame['params']);
    return 'as-is';
  }
  if (!Object.hasOwn(frame, 'result') && !Object.hasOwn(frame, 'error')) {
    context.notice('dropped a message of the server with neither a method nor a result nor an error');
    return 'drop';
  }
  // An error the server could not put to a request.
  if (id === undefined || id === null) return 'as-is';
  const answered = isFrameId(id) ? context.clientRequests.answer(id) : undefined;
  if (answered === undefined || !isFrameId(id)) {
    context.notice('dropped an answer of the server to a request that is not in flight');
    return 'drop';
  }
  return judgeAnswer(context, answer, id, answered.request);
}

async function judgeAnswer(
  context: LeashContext,
  answer: ServerAnswer,
  id: FrameId,
  request: PendingRequest,
): Promise<Passage> {
  switch (request.method) {
    case 'initialize':
    case 'server/discover':
      return lineOf(trimAnnouncement(answer, context.policy));
    case 'tools/list': {
      // Errors of the server are its own to tell.
      if (!isJsonObject(answer.frame['result'])) return 'as-is';
      const scope = await askScope(context);
      if (!scope.ok)
        return { line: errorLine(id, internalErrorCode, `Tools cannot be listed: ${scope.refusal.message}`) };
      return lineOf(filterToolList(answer, scope, (tool) => context.storeName(tool), request.isModern));
    }
    case 'tools/call':
      if (request.tool !== undefined) context.memory.observe(request.tool, answer.frame['result']);
      return 'as-is';
    default:
      return 'as-is';
  }
}

function trackServerRequest(context: LeashContext, id: FrameId): Passage {
  if (context.serverRequests.open(id, true)) return 'as-is';
  const { requestsInFlightMax } = context.limits;
  context.notice(`refused a request of the server: ${requestsInFlightMax} are in flight`);
  context.upstream.push(errorLine(id, internalErrorCode, 'Too many requests in flight; wait for an answer.'));
  return 'drop';
}

/** A server gives up a request of its own, or ends a subscription of the client (which was a request of the client's). */
function noteServerCancel(context: LeashContext, params: unknown): void {
  const id = isJsonObject(params) ? params['requestId'] : undefined;
  if (!isFrameId(id)) return;
  if (context.clientRequests.get(id)?.method === 'subscriptions/listen') context.clientRequests.giveUp(id);
  else context.serverRequests.giveUp(id);
}

async function askScope(context: LeashContext): Promise<ToolScope | Refused> {
  try {
    return await context.authorizer.scope();
  } catch {
    const message = 'the session could not be asked; try again later.';
    return { ok: false, refusal: { code: 'STORAGE_UNAVAILABLE', message, retryable: true } };
  }
}

function readServerLine(bytes: Buffer): ServerAnswer | undefined {
  if (!isUtf8(bytes)) return undefined;
  const text = bytes.toString('utf8');
  if (!isDepthWithin(text, frameDepthMax)) return undefined;
  const frame = parseJson(text)?.value;
  return isJsonObject(frame) ? { text, frame } : undefined;
}

function lineOf(text: string | undefined): Passage {
  return text === undefined ? 'as-is' : { line: text };
}

function isFrameId(value: unknown): value is FrameId {
  return typeof value === 'string' || Number.isSafeInteger(value);
}
