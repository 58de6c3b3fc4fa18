import { elementsOf } from './frame-spans.js';
import { isJsonObject, type JsonObject } from './frame-types.js';
import type { ToolScope } from './leash-types.js';
import type { MethodPolicy } from './method-rules.js';
import { changeResult, type MemberChange, resultSpansOf } from './text-rewrite.js';

/** A response of the server: its line, and the same parsed. */
export interface ServerAnswer {
  readonly text: string;
  readonly frame: JsonObject;
}

/**
 * The answer to `tools/list` with only the tools the session may call, in the server's order; everything else in it,
 * `nextCursor` and unknown fields too, stays as it is.
 *
 * @param isModern the request was of revision 2026-07-28, where a list says who may cache it and for how long
 * @returns the line to send, or `undefined` for the line as it is
 */
export function filterToolList(
  answer: ServerAnswer,
  scope: ToolScope,
  storeName: (tool: string) => string,
  isModern: boolean,
): string | undefined {
  const result = answer.frame['result'];
  if (!isJsonObject(result) || !Array.isArray(result['tools'])) return undefined;
  const tools: unknown[] = result['tools'];
  const keep = tools.map(
    (tool) =>
      isJsonObject(tool) && typeof tool['name'] === 'string' && scope.isAuthorized(storeName(tool['name'])),
  );
  const cache = cacheFields(result, scope, isModern);
  const spans = resultSpansOf(answer.text);
  const list = spans?.members.find((member) => member.key === 'tools');
  const elements = list === undefined ? undefined : elementsOf(answer.text, list.start);
  if (spans === undefined || elements === undefined) {
    return remade(answer.frame, { ...result, ...cache, tools: tools.filter((_, index) => keep[index]) });
  }
  const kept = elements
    .filter((_, index) => keep[index])
    .map(({ start, end }) => answer.text.slice(start, end));
  return changeResult(answer.text, spans, [
    { key: 'tools', json: `[${kept.join(',')}]` },
    ...changesOf(cache),
  ]);
}

/** The answer to `initialize` or `server/discover` without capabilities whose methods are refused. */
export function trimAnnouncement(answer: ServerAnswer, policy: MethodPolicy): string | undefined {
  const result = answer.frame['result'];
  if (!isJsonObject(result) || !isJsonObject(result['capabilities'])) return undefined;
  const changed: JsonObject = {
    capabilities: policy.trimCapabilities(result['capabilities']),
    // What was trimmed for one client is no use to another.
    ...(result['cacheScope'] === undefined ? {} : { cacheScope: 'private' }),
  };
  const spans = resultSpansOf(answer.text);
  if (spans === undefined) return remade(answer.frame, { ...result, ...changed });
  return changeResult(answer.text, spans, changesOf(changed));
}

/** A list that varies by session must not be shared, nor outlive the session (revision 2026-07-28, caching). */
function cacheFields(result: JsonObject, scope: ToolScope, isModern: boolean): JsonObject {
  const { ttlMs, cacheScope } = result;
  if (!isModern && ttlMs === undefined && cacheScope === undefined) return {};
  const remainingMs = Math.max(0, Math.floor(scope.remainingMs));
  const isTtl = typeof ttlMs === 'number' && Number.isSafeInteger(ttlMs) && ttlMs >= 0;
  return { ttlMs: isTtl ? Math.min(ttlMs, remainingMs) : 0, cacheScope: 'private' };
}

function changesOf(fields: JsonObject): MemberChange[] {
  return Object.entries(fields).map(([key, value]) => ({ key, json: JSON.stringify(value) }));
}

function remade(frame: JsonObject, result: JsonObject): string {
  return JSON.stringify({ ...frame, result });
}
