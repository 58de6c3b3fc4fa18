import { appendFileSync } from 'node:fs';

/** What a proof did, by name: calls made, faults put in, and whatever else says how much was tried. */
export type Figures = Readonly<Record<string, number>>;

/** A line of the file in which `npm run prove` collects what its tests report. */
export interface ReportedFigures {
  readonly what: string;
  readonly figures: Figures;
}

/** Whether the long form was asked for: `npm run prove`. The suite runs the short one. */
export const isLongForm: boolean = process.env['AMBIT_PROOF'] === 'long';

/** So much in the suite, so much where somebody wants proof. */
export function sized(short: number, long: number): number {
  return isLongForm ? long : short;
}

/** Says what a proof did, and hands it to `npm run prove` where that started it. */
export function report(what: string, figures: Figures): void {
  const file = process.env['AMBIT_PROOF_FIGURES'];
  const line: ReportedFigures = { what, figures };
  if (file !== undefined) appendFileSync(file, `${JSON.stringify(line)}\n`);
  console.log(`${what}: ${worded(figures)}`);
}

/** As people read it: `12,000 calls, 3 faults`. */
export function worded(figures: Figures): string {
  return Object.entries(figures)
    .map(([name, figure]) => `${figure.toLocaleString('en')} ${name}`)
    .join(', ');
}
