import { expect, test } from 'vitest';
import { gatherHistory, type HistoryEntry } from '../../src/transcripts/history-rules.js';
import fc from 'fast-check';

type OverlayEntry = Extract<HistoryEntry, { type: 'overlay' }>;

/** Visits entries as a reader does: newest first, without those that are hidden. */
function gathered(entries: readonly HistoryEntry[]): readonly (readonly [number, unknown])[] {
  const gathering = gatherHistory();
  for (const entry of [...entries].reverse()) if (!gathering.isHidden(entry.position)) gathering.visit(entry);
  gathering.end();
  return gathering.messages.map(({ position, message }) => [position, message['text']]);
}

/** The same as it is written down: every overlay looked at for every position. */
function asWrittenDown(entries: readonly HistoryEntry[]): readonly (readonly [number, unknown])[] {
  const seen: OverlayEntry[] = [];
  const covers = ({ from, to }: OverlayEntry, position: number): boolean =>
    from <= position && position <= to;
  const shown: (readonly [number, unknown])[] = [];
  for (const entry of [...entries].reverse()) {
    if (seen.some((overlay) => covers(overlay, entry.position))) continue;
    if (entry.type === 'overlay') seen.push({ ...entry, to: Math.min(entry.to, entry.position - 1) });
    else if (entry.type === 'message') shown.push([entry.position, entry.message['text']]);
  }
  for (const [index, overlay] of seen.entries()) {
    const isHidden = seen.some(
      (other, at) =>
        covers(other, overlay.to) && (other.to > overlay.to || (other.to === overlay.to && at < index)),
    );
    if (!isHidden)
      for (const { text } of [...overlay.messages].reverse()) shown.push([overlay.to, text ?? null]);
  }
  return shown.sort(([a], [b]) => b - a);
}

test('whatever covers whatever, a model sees what is not covered', () => {
  const step = fc.record({
    kind: fc.constantFrom('message', 'overlay'),
    a: fc.nat(40),
    b: fc.nat(40),
    said: fc.nat(2),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      const entries = steps.map(({ kind, a, b, said }, position): HistoryEntry => {
        if (kind === 'message' || position === 0)
          return { type: 'message', position, message: { text: `m${position}` } };
        const [from, to] = [a % position, Math.max(a % position, b)];
        const messages = Array.from({ length: said }, (_, index) => ({ text: `o${position}.${index}` }));
        return { type: 'overlay', position, from, to, messages };
      });
      expect(gathered(entries)).toEqual(asWrittenDown(entries));
    }),
    { numRuns: 3_000 },
  );
});

test('items that were taken back one by one are not each compared with all the others', () => {
  const entries: HistoryEntry[] = [{ type: 'message', position: 0, message: { text: 'first' } }];
  for (let position = 1; position < 600_000; position += 2)
    entries.push(
      { type: 'message', position, message: { text: 'gone' } },
      { type: 'overlay', position: position + 1, from: position, to: position, messages: [] },
    );
  // A moment; were each compared with all, it would be many minutes.
  expect(gathered(entries)).toEqual([[0, 'first']]);
}, 60_000);
