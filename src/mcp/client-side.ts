import { decideCall } from './call-decision.js';
import { readClientFrame } from './frame-check.js';
import type { FrameLine } from './frame-lines.js';
import {
  type ClientNotification,
  type ClientRequest,
  type ClientResponse,
  type FrameId,
  internalErrorCode,
  invalidParamsCode,
  invalidRequestCode,
  isJsonObject,
  type JsonObject,
  methodNotFoundCode,
} from './frame-types.js';
import type { LeashContext, PendingRequest } from './leash-context.js';
import { errorLine, shownTool } from './refusal-answers.js';

/** Judges one line of the client: it goes upstream, waits for a grant, or is answered here. */
export function handleClientLine(context: LeashContext, line: FrameLine): void {
  if (line.kind === 'too-long') {
    const reason = `a line longer than ${context.limits.upstreamLineBytesMax} bytes`;
    // Only who waits for an answer gets one under its id: an answer to an answer would be taken for another request's.
    const id = line.envelope.kind === 'request' ? line.envelope.id : undefined;
    answerRejection(context, id ?? null, invalidRequestCode, reason);
    return;
  }
  // Nothing stands in an empty line that anybody could read.
  if (line.bytes.length === 0) return;
  const frame = readClientFrame(line.bytes);
  switch (frame.kind) {
    case 'rejection':
      answerRejection(context, frame.id, frame.code, frame.reason);
      break;
    case 'request':
      handleRequest(context, frame);
      break;
    case 'notification':
      handleNotification(context, frame);
      break;
    case 'response':
      handleResponse(context, frame);
      break;
  }
}

function handleRequest(context: LeashContext, request: ClientRequest): void {
  const { clientRequests, limits, policy, toClient } = context;
  if (clientRequests.has(request.id)) {
    answerRejection(context, null, invalidRequestCode, 'the id of a request that was not answered yet');
    return;
  }
  if (clientRequests.size >= limits.requestsInFlightMax) {
    const reason = `${limits.requestsInFlightMax} requests are in flight; wait for an answer`;
    answerRejection(context, request.id, invalidRequestCode, reason);
    return;
  }
  if (context.toServer.isClosed) {
    toClient.write(
      errorLine(request.id, internalErrorCode, 'The server no longer reads; nothing was called.'),
    );
    return;
  }
  switch (policy.judgeRequest(request.method, request.params)) {
    case 'pass':
      clientRequests.open(request.id, pendingOf(request));
      context.upstream.push(request.text);
      break;
    case 'tool-call':
      handleToolCall(context, request);
      break;
    case 'foreign-task':
      toClient.write(
        errorLine(request.id, invalidParamsCode, 'Unknown task: not of a call of this connection'),
      );
      break;
    case 'refuse':
      toClient.write(errorLine(request.id, methodNotFoundCode, `Method not allowed: ${request.method}`));
      break;
  }
}

function handleToolCall(context: LeashContext, request: ClientRequest): void {
  const tool = request.params['name'];
  if (typeof tool !== 'string' || !tool.isWellFormed()) {
    const message = 'Invalid params: tools/call needs the name of a tool';
    context.toClient.write(errorLine(request.id, invalidParamsCode, message));
    return;
  }
  const held = context.upstream.hold(request.text);
  const pending = { ...pendingOf(request), tool, held };
  context.clientRequests.open(request.id, pending);
  // Not awaited: calls are authorized side by side, and the queue keeps their order.
  decideCall(context, request.id, pending, request.params['requestState']);
}

function handleNotification(context: LeashContext, notification: ClientNotification): void {
  const { method, params, text } = notification;
  if (method === 'notifications/cancelled') {
    cancel(context, params, text);
    return;
  }
  if (!context.policy.judgeNotification(method)) {
    // JSON-RPC answers no notification; a call nobody waits for must not happen either.
    context.notice(`dropped a message without an id: ${JSON.stringify(shownTool(method))}`);
    return;
  }
  context.upstream.push(text);
}

/** A call that has not left is taken out of the queue: charged if it was granted, never sent. */
function cancel(context: LeashContext, params: JsonObject, text: string): void {
  const id = params['requestId'];
  const pending = isFrameId(id) ? context.clientRequests.get(id) : undefined;
  // The answer and the wish to cancel often cross each other.
  if (pending === undefined || !isFrameId(id) || pending.isCancelled) return;
  if (pending.held?.drop() === true) {
    pending.isCancelled = true;
    if (pending.isDecided) context.clientRequests.forget(id);
    return;
  }
  context.clientRequests.giveUp(id);
  context.upstream.push(text);
}

function handleResponse(context: LeashContext, response: ClientResponse): void {
  if (context.serverRequests.answer(response.id) === undefined) {
    answerRejection(context, null, invalidRequestCode, 'an answer to a request that the server did not make');
    return;
  }
  context.upstream.push(response.text);
}

function answerRejection(context: LeashContext, id: FrameId | null, code: number, reason: string): void {
  // An error under the id of another request would be taken for its answer.
  const safeId = id !== null && context.clientRequests.has(id) ? null : id;
  context.notice(`refused a message of the client: ${reason}`);
  context.toClient.write(errorLine(safeId, code, `Message not passed on: ${reason}`));
}

function pendingOf(request: ClientRequest): PendingRequest {
  const meta = request.params['_meta'];
  const isModern = isJsonObject(meta) && typeof meta['io.modelcontextprotocol/protocolVersion'] === 'string';
  return { method: request.method, isModern, isCancelled: false, isDecided: false };
}

function isFrameId(value: unknown): value is FrameId {
  return typeof value === 'string' || Number.isSafeInteger(value);
}
