import { openAmbit } from '../dist/index.js';
import { createSessions } from './contenders.js';
import { keep, note } from './report.js';
import { median } from './measure.js';
import { scale } from './scale.js';

interface SizeFigures {
  readonly sessions: number;
  readonly openMs: number;
  /** One `use` by each of 64 callers at once, on the same 64 sessions: the median of many rounds. */
  readonly use64Ms: number;
  readonly listPageMs: number;
}

/** What a store of so many sessions costs to open, to use and to list: medians. */
async function sizeFigures(storage: string, sessions: number): Promise<SizeFigures> {
  const filling = await openAmbit({ storage, sweepEveryMs: false });
  const first = await createSessions(filling, Math.min(64, sessions));
  for (let made = first.length; made < sessions; made += 5_000) {
    await createSessions(filling, Math.min(5_000, sessions - made));
  }
  await filling.close();
  const openings: number[] = [];
  for (let round = 0; round < 7; round++) {
    const startMs = performance.now();
    const ambit = await openAmbit({ storage, sweepEveryMs: false });
    await ambit.tasks.get(first[0] ?? '');
    openings.push(performance.now() - startMs);
    await ambit.close();
  }
  const ambit = await openAmbit({ storage, sweepEveryMs: false });
  const uses: number[] = [];
  for (let round = 0; round < 400; round++) {
    const startMs = performance.now();
    await Promise.all(first.map((id) => ambit.tasks.use(id, 'read_file')));
    uses.push(performance.now() - startMs);
  }
  const pages: number[] = [];
  for (let round = 0; round < 60; round++) {
    const startMs = performance.now();
    const page = await ambit.tasks.list({ limit: 100 });
    if (!page.ok || page.sessions.length !== 100) throw new Error('a short page');
    pages.push(performance.now() - startMs);
  }
  await ambit.close();
  return { sessions, openMs: median(openings), use64Ms: median(uses), listPageMs: median(pages) };
}

/** A million sessions against a thousand, each in a store of its own. */
export async function noteSizes(name: string, newStore: () => string): Promise<void> {
  const few = Math.min(1_000, scale.many / 2);
  const small = await sizeFigures(newStore(), few);
  const large = await sizeFigures(newStore(), scale.many);
  keep(name === 'SQLite' ? 'million' : `million ${name}`, { small, large });
  const many = scale.many.toLocaleString('en');
  for (const [what, target] of [
    ['openMs', 1.3],
    ['use64Ms', 1.3],
    ['listPageMs', 2],
  ] as const) {
    const ratio = large[what] / small[what];
    note({
      row: `${name}, ${many} sessions against ${few.toLocaleString('en')}: ${what}`,
      figures: `${small[what].toFixed(2)} ms at ${few.toLocaleString('en')}, ${large[what].toFixed(2)} ms at ${many}`,
      ratio: `${ratio.toFixed(2)}x the cost`,
      target: `at most ${target}x`,
      reached: ratio <= target,
    });
  }
}
