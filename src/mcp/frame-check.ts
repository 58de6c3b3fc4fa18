import { isUtf8 } from 'node:buffer';
import { memberNameProblem } from './frame-name-rules.js';
import { isDepthWithin, membersOf, type MemberSpan } from './frame-spans.js';
import {
  type ClientFrame,
  type FrameId,
  type FrameRejection,
  invalidRequestCode,
  isJsonObject,
  type JsonObject,
  parseErrorCode,
} from './frame-types.js';
import { frameDepthMax, frameMembersMax, idCharsMax, methodCharsMax } from './leash-limits.js';

/**
 * Reads one line of the client, and refuses it unless every JSON-RPC parser would read the same frame in it. Whoever
 * decides by this reading then decides by what the server will see.
 */
export function readClientFrame(line: Buffer): ClientFrame | FrameRejection {
  const text = readText(line);
  if (typeof text !== 'string') return text;
  const parsed = parseJson(text);
  if (parsed === undefined) return reject(parseErrorCode, 'this line is not JSON; send one message per line');
  if (!isJsonObject(parsed.value))
    return reject(invalidRequestCode, 'a message is one JSON object; batches are not taken');
  const envelope = parsed.value;
  const members = membersOf(text, 0, frameMembersMax);
  if (members === undefined) return reject(invalidRequestCode, `more than ${frameMembersMax} members`);
  const problem = membersProblem(members) ?? paramsProblem(text, members, envelope);
  if (problem !== undefined)
    return reject(invalidRequestCode, `${problem}; parsers would read it differently`);
  return classify(envelope, members, text);
}

/** Line separators that `JSON.parse` takes for text, and other line readers for the end of a line, as escapes. */
export function escapeLineSeparators(text: string): string {
  return text.replace(/[\u0085\u2028\u2029]/g, (unit) =>
    unit === '\u0085' ? '\\u0085' : unit === '\u2028' ? '\\u2028' : '\\u2029',
  );
}

/** Whether a message nested within bounds is valid JSON; its value is boxed, as `null` is JSON too. */
export function parseJson(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

function readText(line: Buffer): string | FrameRejection {
  if (!isUtf8(line)) return reject(parseErrorCode, 'this line is not UTF-8');
  const text = line.toString('utf8');
  if (text.startsWith('\uFEFF'))
    return reject(parseErrorCode, 'this line begins with a byte order mark; send none');
  // A carriage return is white space to JSON.parse, and the end of a line to Python's text stdin.
  if (/[\u0000-\u001f]/.test(text)) {
    return reject(
      parseErrorCode,
      'a raw control character inside a line; escape it, and send one message per line',
    );
  }
  if (!isDepthWithin(text, frameDepthMax))
    return reject(invalidRequestCode, `nested deeper than ${frameDepthMax}`);
  return text;
}

function membersProblem(members: readonly MemberSpan[]): string | undefined {
  const seen = new Set<string>();
  for (const { key } of members) {
    if (seen.has(key)) return 'two members of the same name';
    seen.add(key);
    const problem = memberNameProblem(key);
    if (problem !== undefined) return problem;
  }
  return undefined;
}

function paramsProblem(
  text: string,
  members: readonly MemberSpan[],
  envelope: JsonObject,
): string | undefined {
  if (!isJsonObject(envelope['params'])) return undefined;
  const span = members.find((member) => member.key === 'params');
  const inner = span === undefined ? undefined : membersOf(text, span.start, frameMembersMax);
  return inner === undefined ? `more than ${frameMembersMax} members in params` : membersProblem(inner);
}

function classify(
  envelope: JsonObject,
  members: readonly MemberSpan[],
  text: string,
): ClientFrame | FrameRejection {
  const hasId = Object.hasOwn(envelope, 'id');
  const id = hasId ? readId(envelope['id'], members, text) : undefined;
  if (hasId && id === undefined) {
    return reject(
      invalidRequestCode,
      `an id is a string of at most ${idCharsMax} characters or a whole number, written plainly`,
    );
  }
  const refuse = (reason: string): FrameRejection => reject(invalidRequestCode, reason, id ?? null);
  if (envelope['jsonrpc'] !== '2.0') return refuse('"jsonrpc" must be "2.0"');
  const isAnswer = Object.hasOwn(envelope, 'result') || Object.hasOwn(envelope, 'error');
  const forwarded = escapeLineSeparators(text);
  if (!Object.hasOwn(envelope, 'method')) {
    if (!isAnswer) return refuse('neither a method nor a result nor an error');
    // An answer to an answer would be taken for one of the client's own requests: never with its id.
    if (Object.hasOwn(envelope, 'result') && Object.hasOwn(envelope, 'error')) {
      return reject(invalidRequestCode, 'both a result and an error');
    }
    return id === undefined
      ? reject(invalidRequestCode, 'a result without an id')
      : { kind: 'response', id, text: forwarded };
  }
  if (isAnswer) return reject(invalidRequestCode, 'both a method and a result or error');
  const { method, params = {} } = envelope;
  if (typeof method !== 'string' || method.length > methodCharsMax || !method.isWellFormed()) {
    return refuse(`a method is a string of at most ${methodCharsMax} characters`);
  }
  if (!isJsonObject(params)) return refuse('params must be an object');
  return id === undefined
    ? { kind: 'notification', method, params, text: forwarded }
    : { kind: 'request', id, method, params, text: forwarded };
}

/** `1.0`, `1e2` and `-0` are whole numbers to `JSON.parse`, and something else to a parser that knows integers. */
function readId(value: unknown, members: readonly MemberSpan[], text: string): FrameId | undefined {
  if (typeof value === 'string')
    return value.length <= idCharsMax && value.isWellFormed() ? value : undefined;
  const span = members.find((member) => member.key === 'id');
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || span === undefined) return undefined;
  return text.slice(span.start, span.end) === String(value) ? value : undefined;
}

function reject(code: number, reason: string, id: FrameId | null = null): FrameRejection {
  return { kind: 'rejection', code, reason, id };
}
