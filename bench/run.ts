/**
 * `npm run bench [-- ROW…]`: every row against its peers, in this run. Writes bench/results.json and bench/RESULTS.md.
 * Rows: memory, sqlite, worker, one-caller, processes, leash, million; all unless named.
 */
import { execSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ambitUse, type Load, oneCommitPerCall, rawUpdate, rlfMemory, rlfSqlite } from './contenders.js';
import { leashFigures } from './leash.js';
import { compare, median, type Row } from './measure.js';
import { sizeFigures } from './million.js';
import { type HotRun, hotRun } from './processes.js';

const here = fileURLToPath(new URL('.', import.meta.url));
// On the disk that holds the project: a folder for temporary files may be memory, which flushes nothing.
const folder = mkdtempSync(join(here, '..', '.build', 'bench-'));
const wanted = process.argv.slice(2);
let files = 0;
const path = (): string => join(folder, `${files++}.db`);
const sqlite = (eventLoop: 'fast' | 'free'): string => `sqlite:${path()}?eventLoop=${eventLoop}`;

interface Line {
  readonly row: string;
  readonly figures: string;
  readonly ratio: string;
  readonly target: string;
  readonly reached: boolean;
}

const lines: Line[] = [];
const raw: Record<string, unknown> = {};

function note(line: Line): void {
  lines.push(line);
  console.log(
    `${line.reached ? '✓' : '✗'} ${line.row}: ${line.ratio} (to reach: ${line.target})\n    ${line.figures}`,
  );
}

function noteRow(row: Row, targets: Readonly<Record<string, number>>): void {
  raw[row.work] = row;
  const figures = Object.entries(row.perSecond)
    .map(([name, rate]) => `${name} ${rate.toLocaleString('en')}/s`)
    .join(', ');
  for (const [peer, target] of Object.entries(targets)) {
    const ratio = row.ratios[peer] ?? Number.NaN;
    note({
      row: `${row.work}, against ${peer}`,
      figures,
      ratio: `${ratio.toFixed(2)}x`,
      target: `${target}x`,
      reached: ratio >= target,
    });
  }
}

const rows: Record<string, () => Promise<void>> = {
  async memory() {
    for (const [load, target] of [
      ['spread', 1],
      ['hot', 1.5],
    ] as const) {
      const contenders = [await ambitUse('Ambit memory', 'memory:', load), rlfMemory(load)];
      noteRow(await compare({ work: `memory, ${load}, 64 callers`, callers: 64 }, contenders), {
        'RLF memory': target,
      });
    }
  },
  async sqlite() {
    for (const [load, target] of [
      ['spread', 12],
      ['hot', 35],
    ] as const) {
      const contenders = [
        await ambitUse('Ambit SQLite fast', sqlite('fast'), load),
        await rlfSqlite(path(), load),
        oneCommitPerCall(path(), load),
      ];
      const row = await compare(
        { work: `SQLite power-durable, fast, ${load}, 64 callers`, callers: 64 },
        contenders,
      );
      noteRow(row, { 'RLF SQLite FULL': target, 'one commit per call': target });
    }
  },
  async worker() {
    for (const load of ['spread', 'hot'] as Load[]) {
      const contenders = [
        await ambitUse('Ambit free', sqlite('free'), load),
        await ambitUse('Ambit fast', sqlite('fast'), load),
      ];
      noteRow(await compare({ work: `SQLite free (worker), ${load}, 64 callers`, callers: 64 }, contenders), {
        'Ambit fast': 0.65,
      });
    }
  },
  async 'one-caller'() {
    for (const [eventLoop, target] of [
      ['fast', 0.8],
      ['free', 0.6],
    ] as const) {
      const contenders = [await ambitUse(`Ambit ${eventLoop}`, sqlite(eventLoop), 'hot'), rawUpdate(path())];
      noteRow(await compare({ work: `SQLite ${eventLoop}, one caller`, callers: 1 }, contenders), {
        'raw durable UPDATE': target,
      });
    }
  },
  async processes() {
    for (const processes of [4, 8]) {
      const runs: HotRun[] = [];
      for (let round = 0; round < 5; round++) runs.push(await hotRun(sqlite('fast'), processes, 16, 10));
      raw[`${processes} processes`] = runs;
      const wait = median(runs.map((run) => run.worstWaitMs));
      const share = median(runs.map((run) => run.shareRatio));
      const worst = Math.max(...runs.map((run) => run.worstWaitMs));
      const miscounted = runs.reduce((total, run) => total + Math.abs(run.miscounted), 0);
      note({
        row: `SQLite, ${processes} processes x 16 callers on one hot session, 10 s`,
        figures: `${median(runs.map((run) => run.perSecond))} calls/s; worst of all runs ${worst} ms; miscounted ${miscounted}`,
        ratio: `longest wait ${wait} ms, largest share ${share.toFixed(2)}x the smallest (medians of 5)`,
        target: 'no wait over 500 ms, at most 3x, 0 miscounted',
        reached: wait <= 500 && share <= 3 && miscounted === 0,
      });
    }
  },
  async leash() {
    const figures = await leashFigures(folder, 1_000);
    raw.leash = figures;
    note({
      row: 'ambit run over stdio, power-durable',
      figures: `medians: plain proxy ${figures.proxyMs.toFixed(3)} ms, ambit run ${figures.leashMs.toFixed(3)} ms, raw durable UPDATE ${figures.updateMs.toFixed(3)} ms`,
      ratio: `plain proxy + ${figures.updates.toFixed(2)} raw durable UPDATEs`,
      target: 'plain proxy + 1.5',
      reached: figures.updates <= 1.5,
    });
  },
  async million() {
    const small = await sizeFigures(sqlite('fast'), 1_000);
    const large = await sizeFigures(sqlite('fast'), 1_000_000);
    raw.million = { small, large };
    for (const [what, target] of [
      ['openMs', 1.3],
      ['use64Ms', 1.3],
      ['listPageMs', 2],
    ] as const) {
      const ratio = large[what] / small[what];
      note({
        row: `SQLite, 1,000,000 sessions against 1,000: ${what}`,
        figures: `${small[what].toFixed(2)} ms at 1,000, ${large[what].toFixed(2)} ms at 1,000,000`,
        ratio: `${ratio.toFixed(2)}x the cost`,
        target: `at most ${target}x`,
        reached: ratio <= target,
      });
    }
  },
};

try {
  const unknown = wanted.find((name) => !Object.hasOwn(rows, name));
  if (unknown !== undefined)
    throw new Error(`no row "${unknown}"; there are ${Object.keys(rows).join(', ')}`);
  for (const [name, measure] of Object.entries(rows))
    if (wanted.length === 0 || wanted.includes(name)) await measure();
  report();
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** Rows that were not measured now keep the figures of the run that measured them. */
function report(): void {
  const machine = `${cpus().length} x ${cpus()[0]?.model.trim()}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, Node ${process.version}`;
  const at = new Date().toISOString().slice(0, 10);
  let commit = 'unknown';
  try {
    commit = execSync('git rev-parse --short HEAD', { cwd: here, encoding: 'utf8' }).trim();
  } catch {
    // Not a checkout.
  }
  const file = join(here, 'results.json');
  const before = existsSync(file)
    ? (JSON.parse(readFileSync(file, 'utf8')) as {
        lines: Record<string, Line & { at: string; commit: string }>;
        raw: Record<string, unknown>;
      })
    : { lines: {}, raw: {} };
  const all = {
    ...before.lines,
    ...Object.fromEntries(lines.map((line) => [line.row, { ...line, at, commit }])),
  };
  writeFileSync(
    file,
    `${JSON.stringify({ machine, lines: all, raw: { ...before.raw, ...raw } }, null, 2)}\n`,
  );
  const table = Object.values(all).map(
    (line) =>
      `| ${line.row} | ${line.ratio} | ${line.target} | ${line.reached ? 'yes' : '**no**'} | ${line.figures} | ${line.at}, ${line.commit} |`,
  );
  const text = `# Results

Written by \`npm run bench\`; what each row measures and why is in [README.md](README.md). Read the ratios: the machine is shared
and its speed drifts, so a figure means something only beside the peer that ran in turn with it.

Machine: ${machine}

| work | ratio | to reach | reached | figures | measured |
| --- | --- | --- | --- | --- | --- |
${table.join('\n')}
`;
  writeFileSync(join(here, 'RESULTS.md'), text);
}
