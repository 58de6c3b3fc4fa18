import { frameMembersMax } from './leash-limits.js';
import { membersOf, type MemberSpan } from './frame-spans.js';

/** A new value for one member of `result`, as JSON text. */
export interface MemberChange {
  readonly key: string;
  readonly json: string;
}

/** The `result` of a response, as it stands in the text. */
export interface ResultSpans {
  readonly members: readonly MemberSpan[];
  /** The index right after the opening brace of the result. */
  readonly inside: number;
}

/**
 * Finds the members of `result`, so that a frame can be changed where it must be and keep every other byte: a schema
 * may hold numbers that JavaScript cannot. `undefined` where a name occurs twice: such a frame has to be made anew.
 */
export function resultSpansOf(text: string): ResultSpans | undefined {
  const envelope = membersOf(text, 0, frameMembersMax);
  const result = envelope?.find((member) => member.key === 'result');
  if (envelope === undefined || result === undefined || hasDuplicates(envelope)) return undefined;
  const members = membersOf(text, result.start, frameMembersMax);
  if (members === undefined || hasDuplicates(members)) return undefined;
  return { members, inside: text.indexOf('{', result.start) + 1 };
}

/** The text with these members of `result` replaced, or added in front where they are missing. */
export function changeResult(text: string, spans: ResultSpans, changes: readonly MemberChange[]): string {
  const edits: { start: number; end: number; json: string }[] = [];
  let added = '';
  for (const { key, json } of changes) {
    const member = spans.members.find((candidate) => candidate.key === key);
    if (member === undefined) added += `${JSON.stringify(key)}:${json},`;
    else edits.push({ start: member.start, end: member.end, json });
  }
  if (added !== '') {
    const json = spans.members.length === 0 ? added.slice(0, -1) : added;
    edits.push({ start: spans.inside, end: spans.inside, json });
  }
  edits.sort((a, b) => a.start - b.start);
  let changed = '';
  let from = 0;
  for (const edit of edits) {
    changed += text.slice(from, edit.start) + edit.json;
    from = edit.end;
  }
  return changed + text.slice(from);
}

function hasDuplicates(members: readonly MemberSpan[]): boolean {
  return new Set(members.map((member) => member.key)).size !== members.length;
}
