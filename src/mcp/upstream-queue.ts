import type { FrameWriter } from './frame-writer.js';
import { upstreamWaitingCharsMax } from './leash-limits.js';

/** A frame that keeps its place in the queue while its grant is awaited. */
export interface HeldFrame {
  /** It may go: as soon as all before it have gone. */
  release(): void;
  /** It never goes, and frames behind it no longer wait for it. `false` if it has gone already. */
  drop(): boolean;
}

/** What goes to the server, in the order it came from the client. */
export interface UpstreamQueue {
  push(text: string): void;
  hold(text: string): HeldFrame;
  /** Resolves when the client may be read on. */
  room(): Promise<void>;
  /** Resolves when nothing is held any more. */
  settled(): Promise<void>;
}

type QueuedState = 'held' | 'ready' | 'dropped' | 'sent';

interface Queued {
  text: string;
  state: QueuedState;
}

/**
 * The queue in front of the server. A frame is handed to the stream once it and all before it are ready; so a call
 * that waits for its grant holds back what the client said after it, and never the grants of later calls.
 */
export function createUpstreamQueue(writer: FrameWriter): UpstreamQueue {
  let queue: Queued[] = [];
  let head = 0;
  let waitingChars = 0;
  const waiters = createWaiters();

  const isEmpty = (): boolean => head === queue.length;
  const hasRoom = (): boolean => waitingChars < upstreamWaitingCharsMax;

  function pump(): void {
    for (let next = queue[head]; next !== undefined && next.state !== 'held'; next = queue[head]) {
      head++;
      waitingChars -= next.text.length;
      if (next.state === 'ready') {
        writer.write(next.text);
        next.state = 'sent';
      }
      // Sent frames are let go at once: a megabyte each is possible.
      next.text = '';
    }
    if (isEmpty()) {
      queue = [];
      head = 0;
    } else if (head > 1_024 && head * 2 > queue.length) {
      queue = queue.slice(head);
      head = 0;
    }
    waiters.wake();
  }
  function add(text: string, state: QueuedState): Queued {
    const queued: Queued = { text, state };
    queue.push(queued);
    waitingChars += text.length;
    return queued;
  }
  return {
    push(text) {
      add(text, 'ready');
      pump();
    },
    hold(text) {
      const queued = add(text, 'held');
      return {
        release() {
          if (queued.state !== 'held') return;
          queued.state = 'ready';
          pump();
        },
        drop() {
          if (queued.state === 'sent' || queued.state === 'dropped') return false;
          queued.state = 'dropped';
          pump();
          return true;
        },
      };
    },
    async room() {
      await waiters.until(hasRoom);
      await writer.room();
    },
    settled: () => waiters.until(isEmpty),
  };
}

/** Those who wait for the queue to be in some state. */
function createWaiters(): { wake(): void; until(isMet: () => boolean): Promise<void> } {
  let waiters: { readonly isMet: () => boolean; readonly resolve: () => void }[] = [];
  return {
    wake() {
      if (waiters.length === 0) return;
      const met = waiters.filter((waiter) => waiter.isMet());
      waiters = waiters.filter((waiter) => !met.includes(waiter));
      for (const waiter of met) waiter.resolve();
    },
    until(isMet) {
      if (isMet()) return Promise.resolve();
      return new Promise((resolve) => waiters.push({ isMet, resolve }));
    },
  };
}
