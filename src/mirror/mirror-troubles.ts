/** What went wrong with a mirror: said once while it lasts, and tried again less and less often. */
export class MirrorTroubles {
  readonly #report: (line: string) => void;
  readonly #said = new Set<string>();
  #waitMs = 0;
  #retryAtMs = 0;

  constructor(report: (line: string) => void) {
    this.#report = report;
  }

  /** Whether it is time to try again what failed. */
  get isDue(): boolean {
    return performance.now() >= this.#retryAtMs;
  }

  /** Something failed at this path. */
  add(path: string, error: unknown): void {
    const { code, message } = error as NodeJS.ErrnoException;
    const cause = code ?? message;
    if (this.#said.has(cause) || this.#said.size === causesMax) return;
    this.#said.add(cause);
    this.#report(
      `mirror: ${path} cannot be written (${cause}); the store is not concerned, and it is tried again until it can be`,
    );
  }

  /** A try has failed: the next one is later. */
  postpone(): void {
    this.#waitMs = Math.min(retryMsMax, Math.max(retryMsMin, this.#waitMs * 2));
    this.#retryAtMs = performance.now() + this.#waitMs;
  }

  /** Nothing is left that failed. */
  clear(): void {
    this.#said.clear();
    this.#waitMs = 0;
    this.#retryAtMs = 0;
  }
}

/** What failed is tried again after so long, then twice as long, and so on: a full disk is not asked every moment. */
const retryMsMin = 1_000;

/** Longer, and who has made room waits without knowing for what. */
const retryMsMax = 60_000;

/** Messages of a store may all be different; no log is to be filled with them. */
const causesMax = 10;
