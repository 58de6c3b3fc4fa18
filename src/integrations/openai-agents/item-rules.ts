import type { Json } from '../../core/json.js';

/** A field of an object that stands for something JSON has no word for. */
const bytesField = '$ambit:bytes';
const objectField = '$ambit:object';

/** How bytes become text and back: the caller's, since a rule knows no Buffer. */
export interface BytesCoding {
  encode(bytes: Uint8Array): string;
  decode(text: string): Uint8Array;
}

/** An item as JSON: images and files may be bytes. An object that looks like one of ours is wrapped, so that it comes back as it was. */
export function encodeItem(value: unknown, coding: BytesCoding): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof Uint8Array) return { [bytesField]: coding.encode(value) };
  if (Array.isArray(value)) return (value as readonly unknown[]).map((one) => encodeItem(one, coding));
  const encoded = Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, encodeItem(member, coding)]),
  );
  return bytesField in encoded || objectField in encoded ? { [objectField]: encoded } : encoded;
}

export function decodeItem(value: Json, coding: BytesCoding): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as readonly Json[]).map((one) => decodeItem(one, coding));
  const { [bytesField]: bytes, [objectField]: object } = value as Readonly<Record<string, Json>>;
  if (typeof bytes === 'string') return coding.decode(bytes);
  const fields = typeof object === 'object' && object !== null ? object : value;
  return Object.fromEntries(
    Object.entries(fields).map(([name, member]) => [name, decodeItem(member, coding)]),
  );
}

/** Items after mutations: each replaces the first call of its id, and drops the others of it. */
export function mutatedItems(
  items: readonly ItemFields[],
  mutations: readonly { readonly type: string; readonly callId: string; readonly replacement: ItemFields }[],
): readonly ItemFields[] {
  let next = items;
  for (const { type, callId, replacement } of mutations) {
    if (type !== 'replace_function_call') continue;
    const isCall = (item: ItemFields): boolean => item.type === 'function_call' && item.callId === callId;
    const first = next.findIndex(isCall);
    next = next.flatMap((item, at) => (!isCall(item) ? [item] : at === first ? [replacement] : []));
  }
  return next;
}

/** What is looked at of an item. */
export interface ItemFields {
  readonly type?: unknown;
  readonly callId?: unknown;
}
