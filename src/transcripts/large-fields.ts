import { isStaged, type PiecesRef, pieceKey, stagingKey } from './transcript-records.js';
import { pieceCharsMax, piecesAtOnce, unfinishedForMs } from './transcript-limits.js';
import { readValues } from './record-pages.js';
import type { Engine } from '../engine/engine.js';
import type { Refused } from '../core/refusals.js';
import { tookTooLong } from './transcript-refusals.js';
import type { TranscriptContext } from './transcript-context.js';

/**
 * Writes what is too large for a value, in pieces that nobody can reach yet. The transaction that refers to them takes
 * them out of staging; if it never comes, they are collected.
 */
export async function writePieces(
  { engine, mint }: Pick<TranscriptContext, 'engine' | 'mint'>,
  content: unknown,
  kept: { readonly expiresAtMs?: number } = {},
): Promise<{ readonly ok: true; readonly ref: PiecesRef } | Refused> {
  const text = JSON.stringify(content);
  const ref: PiecesRef = { set: mint(), count: Math.ceil(text.length / pieceCharsMax) };
  const staged = await stage(engine, [ref.set]);
  if (!staged.ok) return staged;
  for (let index = 0; index < ref.count; index++) {
    const piece = text.slice(index * pieceCharsMax, (index + 1) * pieceCharsMax);
    const key = pieceKey(ref.set, index);
    const done = await engine.transact<{ readonly ok: true } | Refused>([stagingKey(ref.set)], (view) => {
      if (!isStaged(view, ref.set)) return tookTooLong();
      view.insert(key, piece, kept);
      return { ok: true };
    });
    if (!done.ok) return done;
  }
  return { ok: true, ref };
}

/** Says that owners' records are being written, so that they are collected if that never ends. */
export function stage(engine: Engine, owners: readonly string[]): Promise<{ readonly ok: true } | Refused> {
  return engine.transact([], (view, now) => {
    for (const owner of owners) view.insert(stagingKey(owner), now.latestMs + unfinishedForMs);
    return { ok: true as const };
  });
}

/** Reads what was written in pieces; nothing where a piece is missing or is none. */
export async function readPieces(
  engine: Engine,
  { set, count }: PiecesRef,
): Promise<{ readonly ok: true; readonly content: unknown } | Refused> {
  let text = '';
  for (let index = 0; index < count; index += piecesAtOnce) {
    const keys = Array.from({ length: Math.min(piecesAtOnce, count - index) }, (_, at) =>
      pieceKey(set, index + at),
    );
    const answer = await readValues(engine, keys);
    if (!answer.ok) return answer;
    if (answer.values.some((piece) => typeof piece !== 'string')) return { ok: true, content: undefined };
    text += answer.values.join('');
  }
  try {
    return { ok: true, content: JSON.parse(text) as unknown };
  } catch {
    return { ok: true, content: undefined };
  }
}
