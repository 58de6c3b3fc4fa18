import type { JsonFields, VisibleMessage } from './transcript-types.js';

/** What a history is made of: the entries of a branch, newest first. */
export type HistoryEntry =
  | { readonly type: 'message'; readonly position: number; readonly message: JsonFields }
  | {
      readonly type: 'overlay';
      readonly position: number;
      readonly from: number;
      readonly to: number;
      readonly messages: readonly JsonFields[];
    }
  | { readonly type: 'turn'; readonly position: number };

interface Overlay {
  readonly from: number;
  readonly to: number;
  readonly messages: readonly JsonFields[];
  shown: boolean;
}

/**
 * Gathers what a model is to see. An overlay hides the positions it covers, other overlays that stand there too, and its
 * messages stand where the last of those was.
 */
export interface HistoryGathering {
  /** Takes the next entry, older than all before. */
  visit(entry: HistoryEntry): void;
  /** There are no more entries. */
  end(): void;
  /** Whether a position is covered by what was visited so far. */
  isHidden(position: number): boolean;
  /** The first position before which nothing is hidden that comes right before this one: what lies between need not be read. */
  nextVisible(before: number): number;
  /** What was gathered, newest first. */
  readonly messages: VisibleMessage[];
  /** Positions of the turns that can be seen, newest first. */
  readonly turns: number[];
}

export function gatherHistory(): HistoryGathering {
  let overlays: Overlay[] = [];
  const messages: VisibleMessage[] = [];
  const turns: number[] = [];
  const covers = (overlay: Overlay, position: number): boolean =>
    overlay.from <= position && position <= overlay.to;
  const isHidden = (position: number): boolean => overlays.some((overlay) => covers(overlay, position));

  /** Shows the messages of overlays that stand at this position or after it. */
  function showFrom(position: number): void {
    const due = overlays
      .filter((overlay) => !overlay.shown && overlay.to >= position)
      .sort((a, b) => b.to - a.to);
    for (const overlay of due) {
      overlay.shown = true;
      // Of two that stand at the same place, the newer one was visited first.
      const hidden = overlays.some(
        (other) =>
          other !== overlay &&
          covers(other, overlay.to) &&
          (other.to > overlay.to || overlays.indexOf(other) < overlays.indexOf(overlay)),
      );
      if (hidden) continue;
      for (let index = overlay.messages.length - 1; index >= 0; index--) {
        const message = overlay.messages[index] as JsonFields;
        messages.push({ position: overlay.to, index, from: overlay.from, message });
      }
    }
    // What is asked for from here on lies before: of thousands of items taken back one by one, each would ask all the others.
    if (overlays.some(({ from }) => from > position))
      overlays = overlays.filter(({ from }) => from <= position);
  }

  return {
    messages,
    turns,
    isHidden,
    visit(entry) {
      showFrom(entry.position);
      if (isHidden(entry.position)) return;
      if (entry.type === 'message')
        messages.push({ position: entry.position, index: 0, from: entry.position, message: entry.message });
      else if (entry.type === 'turn') turns.push(entry.position);
      else {
        // What was saved as a whole may name what lies behind it: that was visited, and is none of it.
        const to = Math.min(entry.to, entry.position - 1);
        overlays.push({ from: entry.from, to, messages: entry.messages, shown: false });
      }
    },
    end: () => showFrom(0),
    nextVisible(before) {
      let next = before;
      for (;;) {
        const over = overlays.find((overlay) => covers(overlay, next - 1));
        if (!over) return next;
        next = over.from;
      }
    },
  };
}
