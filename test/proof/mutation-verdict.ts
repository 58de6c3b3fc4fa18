import type { ExplainedMutants } from './surviving-mutants.js';
import type { ReportedFigures } from './figures.js';

/** The least share of mutants that must be noticed, in percent. */
export const mutationScoreMin = 95;

interface Position {
  readonly line: number;
  readonly column: number;
}

interface ReportedMutant {
  readonly status: string;
  readonly mutatorName: string;
  readonly replacement?: string;
  readonly location: { readonly start: Position; readonly end: Position };
}

/** The part that is read here of a report in the mutation testing report schema (version 2). */
interface MutationReport {
  readonly files: Readonly<
    Record<string, { readonly source: string; readonly mutants: readonly ReportedMutant[] }>
  >;
}

/**
 * What mutation testing found, by file: how many mutants were noticed, and which were not. A mutant that is not noticed
 * is a violation unless it is explained, and so is an explanation of one that is noticed after all. A mutant for which a
 * test did not end counts as noticed only where it is explained why it cannot end: a slow machine does the same.
 */
export function mutationVerdict(
  text: string,
  explained: readonly ExplainedMutants[],
): {
  readonly figures: readonly ReportedFigures[];
  readonly passed: number;
  readonly skipped: number;
  readonly violations: readonly string[];
} {
  const { files } = JSON.parse(text) as MutationReport;
  const [survives, endless] = [false, true].map((doesNotEnd) =>
    explained.filter((one) => (one.doesNotEnd ?? false) === doesNotEnd).flatMap(({ mutants }) => mutants),
  ) as [string[], string[]];
  const figures: ReportedFigures[] = [];
  const violations: string[] = [];
  let [killed, all, timeouts] = [0, 0, 0];
  for (const [file, { source, mutants }] of Object.entries(files)) {
    // Taken out where it did not compile or was left out on purpose: it was no mutant.
    const counted = mutants.filter(({ status }) => status !== 'Ignored' && status !== 'CompileError');
    let lost = 0;
    for (const mutant of counted) {
      if (mutant.status === 'Killed') continue;
      const named = nameOf(file, source, mutant);
      const isTimeout = mutant.status === 'Timeout';
      if (isTimeout) timeouts++;
      if (isTimeout && took(endless, named)) continue;
      lost++;
      if (isTimeout) violations.push(`a test did not end, and nothing says why it cannot: ${named}`);
      else if (!took(survives, named)) violations.push(`nothing notices, and nothing says why: ${named}`);
    }
    killed += counted.length - lost;
    all += counted.length;
    figures.push({ what: file, figures: { mutants: counted.length, noticed: counted.length - lost, lost } });
  }
  const left = [...survives, ...endless].filter((one) => files[one.split(': ')[0] ?? ''] !== undefined);
  violations.push(...left.map((one) => `explained, and noticed after all: ${one}`));
  const score = all === 0 ? 0 : (100 * killed) / all;
  if (score < mutationScoreMin)
    violations.unshift(`${score.toFixed(1)} % were noticed, ${mutationScoreMin} % are asked for`);
  figures.push({
    what: 'all rules',
    figures: {
      mutants: all,
      noticed: killed,
      'without an end': timeouts,
      percent: Math.floor(score * 10) / 10,
    },
  });
  return { figures, passed: killed, skipped: 0, violations };
}

/** Takes a name off a list, once: two mutants of one line may have the same name. */
function took(list: string[], name: string): boolean {
  const at = list.indexOf(name);
  if (at !== -1) list.splice(at, 1);
  return at !== -1;
}

/** Names a mutant by the line it changes, not by its number: lines move. */
function nameOf(file: string, source: string, { location, replacement = '' }: ReportedMutant): string {
  const { start, end } = location;
  const lines = source.split('\n');
  const line = lines[start.line - 1] ?? '';
  const from = start.column - 1;
  const what = line.slice(from, end.line === start.line ? end.column - 1 : undefined);
  const wrong = replacement.replaceAll(/\s+/g, ' ').slice(0, 80);
  return `${file}: ${line.trim()}  //  ${what}  becomes  ${wrong}`;
}
