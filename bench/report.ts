import { execSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Row } from './measure.js';

const here = fileURLToPath(new URL('.', import.meta.url));

export interface Line {
  readonly row: string;
  readonly figures: string;
  readonly ratio: string;
  /** What is to be reached; `none` for rows that are only to be known. */
  readonly target: string;
  readonly reached: boolean;
}

const lines: Line[] = [];
const raw: Record<string, unknown> = {};

export function note(line: Line): void {
  lines.push(line);
  console.log(
    `${markOf(line, '✓', '✗')} ${line.row}: ${line.ratio} (to reach: ${line.target})\n    ${line.figures}`,
  );
}

function markOf({ target, reached }: Line, yes: string, no: string): string {
  if (target === 'none') return '–';
  return reached ? yes : no;
}

/** Keeps everything that was measured, for programs. */
export function keep(name: string, value: unknown): void {
  raw[name] = value;
}

/** A line for each peer of a row. */
export function noteRow(row: Row, targets: Readonly<Record<string, number>>): void {
  keep(row.work, row);
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

/** Writes bench/results.json and bench/RESULTS.md. Rows that were not measured now keep the figures of the run that measured them. */
export function writeReport(): void {
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
      `| ${line.row} | ${line.ratio} | ${line.target} | ${markOf(line, 'yes', '**no**')} | ${line.figures} | ${line.at}, ${line.commit} |`,
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
