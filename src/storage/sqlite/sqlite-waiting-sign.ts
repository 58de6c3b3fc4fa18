import { closeSync, openSync, rmSync, statSync, utimesSync } from 'node:fs';

/**
 * How processes that share a file tell each other that one of them has waited too long: a file beside it that is
 * touched. Whoever writes has the best chance to write next, so without it one process wins for hundreds of
 * milliseconds while others try in vain. It is a hint only: no answer depends on it, and it bounds nothing but patience.
 */
export interface WaitingSign {
  /** Whether somebody has waited too long, as of a moment ago. */
  raised(): boolean;
  /** Asks all others to stand back. To be repeated for as long as it holds. */
  raise(): void;
  /** Says that the wait is over. Others who still wait raise it again. */
  lower(): void;
}

/** How old a sign may be: it is raised at each attempt, so an older one was left by a process that died. */
const signAgeMsMax = 20;

export function createWaitingSign(path: string): WaitingSign {
  const file = `${path}-wait`;
  return {
    raised() {
      const raisedAtMs = ignoringErrors(() => statSync(file, { throwIfNoEntry: false })?.mtimeMs);
      return raisedAtMs !== undefined && Math.abs(Date.now() - raisedAtMs) < signAgeMsMax;
    },
    raise() {
      ignoringErrors(() => {
        const nowS = Date.now() / 1_000;
        if (ignoringErrors(() => (utimesSync(file, nowS, nowS), true))) return;
        closeSync(openSync(file, 'a', 0o600));
      });
    },
    lower() {
      ignoringErrors(() => rmSync(file, { force: true }));
    },
  };
}

/** Where the sign cannot be had, it is as if nobody ever raised it. */
function ignoringErrors<T>(work: () => T): T | undefined {
  try {
    return work();
  } catch {
    return undefined;
  }
}
