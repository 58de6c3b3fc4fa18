import type { ReportedFigures } from './figures.js';

/** The least share of mutants that must be noticed, in percent. */
export const mutationScoreMin = 95;

/** The part that is read here of a report in the mutation testing report schema (version 2). */
interface MutationReport {
  readonly files: Readonly<
    Record<
      string,
      {
        readonly mutants: readonly {
          readonly status: string;
          readonly mutatorName: string;
          readonly replacement?: string;
          readonly location: { readonly start: { readonly line: number } };
        }[];
      }
    >
  >;
}

/** What mutation testing found, by file: how many mutants were noticed, and which were not. */
export function mutationVerdict(text: string): {
  readonly figures: readonly ReportedFigures[];
  readonly passed: number;
  readonly skipped: number;
  readonly violations: readonly string[];
} {
  const { files } = JSON.parse(text) as MutationReport;
  const figures: ReportedFigures[] = [];
  const survivors: string[] = [];
  let [killed, all] = [0, 0];
  for (const [file, { mutants }] of Object.entries(files)) {
    const counted = mutants.filter(({ status }) => status !== 'Ignored');
    const lost = counted.filter(({ status }) => status !== 'Killed' && status !== 'Timeout');
    for (const { location, mutatorName, replacement = '' } of lost)
      survivors.push(
        `${file}:${location.start.line} ${mutatorName}: ${replacement.slice(0, 80).replaceAll('\n', ' ')}`,
      );
    killed += counted.length - lost.length;
    all += counted.length;
    figures.push({
      what: file,
      figures: { mutants: counted.length, killed: counted.length - lost.length, survived: lost.length },
    });
  }
  const score = all === 0 ? 0 : (100 * killed) / all;
  figures.push({
    what: 'all rules',
    figures: { mutants: all, killed, percent: Math.floor(score * 10) / 10 },
  });
  const violations =
    score < mutationScoreMin
      ? [`${score.toFixed(1)} % were noticed, ${mutationScoreMin} % are asked for`, ...survivors]
      : [];
  return { figures, passed: killed, skipped: 0, violations };
}
