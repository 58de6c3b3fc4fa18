import type { SerializedValue } from '../../transcripts/checkpoint-types.js';
import type { SerializerProtocol } from '@langchain/langgraph-checkpoint';

/** What stands before the kind of a value that is bytes, and is kept as base64. */
const bytesMark = 'base64:';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A value as a serializer writes it, as text: JSON as it is, so that a person can read it in the store, else base64. */
export async function serialized(serde: SerializerProtocol, value: unknown): Promise<SerializedValue> {
  const [type, bytes] = await serde.dumpsTyped(value);
  const text = type === 'json' ? textOf(bytes) : undefined;
  return text === undefined
    ? { type: bytesMark + type, text: Buffer.from(bytes).toString('base64') }
    : { type, text };
}

export async function deserialized(
  serde: SerializerProtocol,
  { type, text }: SerializedValue,
): Promise<unknown> {
  if (!type.startsWith(bytesMark)) return (await serde.loadsTyped(type, text)) as unknown;
  const bytes = new Uint8Array(Buffer.from(text, 'base64'));
  return (await serde.loadsTyped(type.slice(bytesMark.length), bytes)) as unknown;
}

function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
