/**
 * `npm run bench [-- ROW… | -- --only ROW[,ROW…]] [--smoke]`: every row against its peers, in this run. Writes
 * bench/results.json and bench/RESULTS.md; with `--smoke` it only looks whether the rows work.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ambitUse, type Load, oneCommitPerCall, rawUpdate, rlfMemory, rlfSqlite } from './contenders.js';
import { leashFigures } from './leash.js';
import { compare } from './measure.js';
import { note, noteRow, keep, writeReport } from './report.js';
import { processRows } from './process-rows.js';
import { scale, smoke } from './scale.js';
import { scopeRows } from './scope-rows.js';
import { serverRows } from './server-rows.js';
import { transcriptRows } from './transcript-rows.js';
import { noteSizes } from './million.js';
import { webRows } from './web-rows.js';

const here = fileURLToPath(new URL('.', import.meta.url));
// On the disk that holds the project: a folder for temporary files may be memory, which flushes nothing.
const folder = mkdtempSync(join(here, '..', '.build', 'bench-'));
const wanted = process.argv
  .slice(2)
  .filter((word) => word !== '--smoke' && word !== '--only')
  .flatMap((word) => word.replace(/^--only=/, '').split(','));
let files = 0;
const path = (): string => join(folder, `${files++}.db`);
const sqlite = (eventLoop: 'fast' | 'free'): string => `sqlite:${path()}?eventLoop=${eventLoop}`;

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
  async file() {
    for (const load of ['spread', 'hot'] as Load[]) {
      const contenders = [
        await ambitUse('Ambit file', `file:${join(folder, `store-${files++}`)}`, load),
        oneCommitPerCall(path(), load),
      ];
      noteRow(await compare({ work: `files, power-durable, ${load}, 64 callers`, callers: 64 }, contenders), {
        'one commit per call': 30,
      });
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
  async leash() {
    const figures = await leashFigures(folder, scale.leash);
    keep('leash', figures);
    note({
      row: 'ambit run over stdio, power-durable',
      figures: `medians: plain proxy ${figures.proxyMs.toFixed(3)} ms, ambit run ${figures.leashMs.toFixed(3)} ms, raw durable UPDATE ${figures.updateMs.toFixed(3)} ms`,
      ratio: `plain proxy + ${figures.updates.toFixed(2)} raw durable UPDATEs`,
      target: 'plain proxy + 1.5',
      reached: figures.updates <= 1.5,
    });
  },
  million: () => noteSizes('SQLite', () => sqlite('fast')),
  ...serverRows(),
  ...scopeRows(() => sqlite('fast')),
  ...transcriptRows(folder, path),
  ...webRows(),
  ...processRows(folder, () => sqlite('fast')),
};

try {
  const unknown = wanted.find((name) => !Object.hasOwn(rows, name));
  if (unknown !== undefined)
    throw new Error(`no row "${unknown}"; there are ${Object.keys(rows).join(', ')}`);
  for (const [name, measure] of Object.entries(rows))
    if (wanted.length === 0 || wanted.includes(name)) await measure();
  if (!smoke) writeReport();
} finally {
  rmSync(folder, { recursive: true, force: true });
}
