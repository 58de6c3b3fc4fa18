import type { ScopeLayer } from './scope-types.js';

/** Where a page of entries ended: after this entry. Names no incarnation, so it holds across a drop. */
export interface EntryPosition {
  readonly layer: ScopeLayer;
  readonly key: string;
}

const marks = { ephemeral: 'e', persistent: 'p' } as const;
const nameMark = 'n';

export function entryCursor({ layer, key }: EntryPosition): string {
  return encode(marks[layer] + key);
}

/** Where that page ended; `undefined` for what no listing with this prefix gave. */
export function entryPosition(cursor: string, prefix: string): EntryPosition | undefined {
  const text = decode(cursor);
  if (text === undefined || !text.slice(1).startsWith(prefix)) return undefined;
  const layer = (['ephemeral', 'persistent'] as const).find((one) => text.startsWith(marks[one]));
  return layer && { layer, key: text.slice(1) };
}

export function nameCursor(name: string): string {
  return encode(nameMark + name);
}

/** The scope a page of names ended at; `undefined` for what no listing with this prefix gave. */
export function namePosition(cursor: string, prefix: string): string | undefined {
  const text = decode(cursor);
  return text?.startsWith(nameMark + prefix) ? text.slice(1) : undefined;
}

function encode(text: string): string {
  return Buffer.from(text).toString('base64url');
}

function decode(cursor: string): string | undefined {
  const text = Buffer.from(cursor, 'base64url').toString();
  return encode(text) === cursor ? text : undefined;
}
