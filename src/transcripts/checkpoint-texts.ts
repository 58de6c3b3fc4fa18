import { crowdedTextCharsMax, inlineTextCharsMax, inlineTextsCharsMax } from './transcript-limits.js';
import { readPieces, writePieces } from './large-fields.js';
import type { Engine } from '../engine/engine.js';
import type { Refused } from '../core/refusals.js';
import type { SerializedValue } from './checkpoint-types.js';
import type { StoredText } from './checkpoint-records.js';
import type { TranscriptContext } from './transcript-context.js';

/** Writes beforehand the texts that do not fit into one transaction, and says how each is stored, in their order. */
export async function storeTexts(
  context: TranscriptContext,
  values: readonly SerializedValue[],
): Promise<
  { readonly ok: true; readonly stored: readonly StoredText[]; readonly sets: readonly string[] } | Refused
> {
  const chars = values.reduce((sum, { text }) => sum + text.length, 0);
  const inlineMax = chars > inlineTextsCharsMax ? crowdedTextCharsMax : inlineTextCharsMax;
  const stored: StoredText[] = [];
  const sets: string[] = [];
  for (const { type, text } of values) {
    if (text.length <= inlineMax) {
      stored.push({ type, text });
      continue;
    }
    const written = await writePieces(context, text);
    if (!written.ok) return written;
    sets.push(written.ref.set);
    stored.push({ type, pieces: written.ref });
  }
  return { ok: true, stored, sets };
}

/** A text as it was given; nothing where it cannot be read. */
export async function readText(
  engine: Engine,
  stored: StoredText | undefined,
): Promise<{ readonly ok: true; readonly value: SerializedValue | undefined } | Refused> {
  const { type, text, pieces } = (stored ?? {}) as Partial<StoredText>;
  if (typeof type !== 'string') return { ok: true, value: undefined };
  if (!pieces) return { ok: true, value: typeof text === 'string' ? { type, text } : undefined };
  const read = await readPieces(engine, pieces);
  if (!read.ok) return read;
  return { ok: true, value: typeof read.content === 'string' ? { type, text: read.content } : undefined };
}
