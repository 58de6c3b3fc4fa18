/** Deletes expired records now and then, in the background. */
export interface Sweeper {
  /** Sweeps no more, once the sweep under way has ended. */
  stop(): Promise<void>;
}

/**
 * Starts sweeping at intervals. The timer keeps no process alive, and a sweep that fails is simply tried again at the next
 * one: nothing relies on it.
 *
 * @param sweep never rejects
 */
export function startSweeper(sweep: () => Promise<unknown>, everyMs: number): Sweeper {
  let underWay: Promise<unknown> | undefined;
  const timer = setInterval(() => {
    underWay ??= sweep().finally(() => (underWay = undefined));
  }, everyMs);
  timer.unref();
  return {
    async stop() {
      clearInterval(timer);
      await underWay;
    },
  };
}
