import { openAmbit } from '../dist/index.js';
import { createSessions } from './contenders.js';
import { median } from './measure.js';

export interface SizeFigures {
  readonly sessions: number;
  readonly openMs: number;
  /** One `use` by each of 64 callers at once, on the same 64 sessions: the median of many rounds. */
  readonly use64Ms: number;
  readonly listPageMs: number;
}

/** What a store of so many sessions costs to open, to use and to list: medians. */
export async function sizeFigures(storage: string, sessions: number): Promise<SizeFigures> {
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
