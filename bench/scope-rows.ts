import { type Ambit, openAmbit } from '../dist/index.js';
import { keep, note } from './report.js';
import { benchServers } from './bench-servers.js';
import { median } from './measure.js';
import { scale } from './scale.js';

const small = 'flow:small';
const large = 'flow:large';
const few = 100;

/** What scopes of 100,000 entries cost against one of 100, and what others feel while one is dropped. */
export function scopeRows(sqlite: () => string): Record<string, () => Promise<void>> {
  return {
    scopes: () => noteScopes('SQLite', sqlite()),
    'scopes-postgres': () => benchServers.postgres((url) => noteScopes('PostgreSQL', url)),
  };
}

async function noteScopes(name: string, storage: string): Promise<void> {
  const ambit = await openAmbit({ storage, sweepEveryMs: false });
  try {
    await fill(ambit, small, few);
    await fill(ambit, large, scale.entries);
    for (let crowd = 0; crowd < scale.entries / few; crowd++) await fill(ambit, `flow:crowd-${crowd}`, few);
    await noteReading(name, ambit);
    await noteQuery(name, ambit);
    await noteDrop(name, ambit);
  } finally {
    await ambit.close();
  }
}

/** Interleaved, so that a machine that slows down slows both down. */
async function noteReading(name: string, ambit: Ambit): Promise<void> {
  const cursors: Record<string, string | undefined> = {};
  const turns: Record<string, number> = {};
  const retrieve = async (asked: readonly (readonly [key: string, scope: string])[]): Promise<void> => {
    const answers = await Promise.all(asked.map(([key, scope]) => ambit.scopes.retrieve(key, { scope })));
    for (const answer of answers) if (!answer.ok || !answer.entry) throw new Error('an entry is missing');
  };
  const works = {
    'retrieve, the same 64 entries at once': {
      target: 1.3,
      work: (scope: string) => retrieve(Array.from({ length: 64 }, (_, n) => [keyOf(n), scope])),
    },
    // Nobody has these in memory: what is compared is one scope with a thousand that hold as much together.
    'retrieve, 64 entries at once from everywhere (against as many entries in small scopes)': {
      target: 1.3,
      work(scope: string) {
        const turn = (turns[scope] = (turns[scope] ?? 0) + 1);
        return retrieve(
          Array.from({ length: 64 }, (_, n) => {
            const place = (turn * 7_919 + n * 104_729) % scale.entries;
            return scope === large
              ? [keyOf(place), large]
              : [keyOf(place % few), `flow:crowd-${Math.floor(place / few)}`];
          }),
        );
      },
    },
    'a page of 100 of list': {
      target: 2,
      async work(scope: string) {
        const cursor = cursors[scope];
        const page = await ambit.scopes.list({ scope, limit: 100, ...(cursor !== undefined && { cursor }) });
        if (!page.ok || page.entries.length !== 100) throw new Error('a short page');
        cursors[scope] = page.cursor;
      },
    },
  };
  for (const [what, { target, work }] of Object.entries(works)) {
    const spent: Record<string, number[]> = { [small]: [], [large]: [] };
    for (const scope of [small, large]) await work(scope);
    for (let round = 0; round < scale.scopeRounds; round++) {
      for (const scope of [small, large]) {
        const startMs = performance.now();
        await work(scope);
        spent[scope]?.push(performance.now() - startMs);
      }
    }
    const [smallMs, largeMs] = [median(spent[small] ?? []), median(spent[large] ?? [])];
    const ratio = largeMs / smallMs;
    keep(`scopes ${name}: ${what}`, { smallMs, largeMs });
    note({
      row: `${name}, a scope of ${scale.entries.toLocaleString('en')} entries against ${few}: ${what}`,
      figures: `${smallMs.toFixed(3)} ms at ${few}, ${largeMs.toFixed(3)} ms at ${scale.entries.toLocaleString('en')}`,
      ratio: `${ratio.toFixed(2)}x the cost`,
      target: `at most ${target}x`,
      reached: ratio <= target,
    });
  }
}

/** A text that is nowhere: its cost is what it looks at, and it says how much that was. */
async function noteQuery(name: string, ambit: Ambit): Promise<void> {
  const perEntry: number[] = [];
  const figures: string[] = [];
  for (const scanMax of [Math.min(1_000, scale.entries), Math.min(10_000, scale.entries)]) {
    const spent: number[] = [];
    for (let round = 0; round < 7; round++) {
      const startMs = performance.now();
      const page = await ambit.scopes.query('nowhere', { scope: large, scanMax });
      if (!page.ok || page.scanned !== scanMax) throw new Error('a query that scanned something else');
      spent.push(performance.now() - startMs);
    }
    perEntry.push(median(spent) / scanMax);
    figures.push(`${median(spent).toFixed(1)} ms for ${scanMax.toLocaleString('en')} entries`);
  }
  const ratio = (perEntry[1] ?? 0) / (perEntry[0] ?? 1);
  keep(`scopes ${name}: query`, { perEntryMs: perEntry });
  note({
    row: `${name}, a query that finds nothing, by what it scans`,
    figures: figures.join(', '),
    ratio: `${ratio.toFixed(2)}x the cost of an entry`,
    target: 'at most 2x',
    reached: ratio <= 2,
  });
}

/** What other calls wait while a scope is dropped, and while nothing is: the 99th percentile of each. */
async function noteDrop(name: string, ambit: Ambit): Promise<void> {
  const ratios: number[] = [];
  const figures: string[] = [];
  for (let round = 0; round < scale.dropRounds; round++) {
    const scope = `flow:dropped-${round}`;
    await fill(ambit, scope, scale.entries);
    const quiet = await percentile99(ambit, (elapsedMs) => Promise.resolve(elapsedMs < 4_000));
    const dropped = await ambit.scopes.dropScope(scope);
    if (!dropped.ok || dropped.dropped.persistent !== scale.entries)
      throw new Error('a drop of something else');
    let sweeping = true;
    // Waits for what the drop began.
    void ambit.scopes.sweep().then(() => (sweeping = false));
    const startMs = performance.now();
    const busy = await percentile99(ambit, () => Promise.resolve(sweeping));
    ratios.push(busy / quiet);
    figures.push(
      `${quiet.toFixed(2)} ms, ${busy.toFixed(2)} ms during ${((performance.now() - startMs) / 1_000).toFixed(1)} s of dropping`,
    );
  }
  const ratio = median(ratios);
  keep(`scopes ${name}: drop`, { ratios });
  note({
    row: `${name}, 8 callers while ${scale.entries.toLocaleString('en')} entries are dropped: 99th percentile`,
    figures: figures.join('; '),
    ratio: `${ratio.toFixed(2)}x the wait`,
    target: 'at most 2x',
    reached: ratio <= 2,
  });
}

/** Of persists and retrieves in another scope, as long as `running` says. */
async function percentile99(ambit: Ambit, running: (elapsedMs: number) => Promise<boolean>): Promise<number> {
  const waits: number[] = [];
  const startMs = performance.now();
  await Promise.all(
    Array.from({ length: 8 }, async (_, caller) => {
      for (let turn = 0; await running(performance.now() - startMs); turn++) {
        const beganMs = performance.now();
        const key = keyOf((caller * 13 + turn) % few);
        const done =
          turn % 2 === 0
            ? await ambit.scopes.persist(key, { turn }, { scope: small })
            : await ambit.scopes.retrieve(key, { scope: small });
        if (!done.ok) throw new Error(done.refusal.message);
        waits.push(performance.now() - beganMs);
      }
    }),
  );
  waits.sort((a, b) => a - b);
  return waits[Math.floor(waits.length * 0.99)] ?? Number.NaN;
}

async function fill(ambit: Ambit, scope: string, entries: number): Promise<void> {
  for (let start = 0; start < entries; start += 500) {
    const count = Math.min(500, entries - start);
    const changes = Array.from({ length: count }, (_, n) => ({
      kind: 'persist' as const,
      scope,
      key: keyOf(start + n),
      value: { title: `finding ${start + n}`, text: 'what a flow keeps of a page it has read' },
    }));
    const done = await ambit.scopes.change(changes);
    if (!done.ok) throw new Error(done.refusal.message);
  }
}

function keyOf(n: number): string {
  return `finding-${String(n).padStart(7, '0')}`;
}
