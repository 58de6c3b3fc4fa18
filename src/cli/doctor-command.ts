import { CliError, exitCodes } from './exit-codes.js';
import { examineStore, type StoreReport } from '../doctor/examine-store.js';
import { locationOf, storageUrlOf } from './open-store.js';
import { storageFlag, type StorageFlags } from './command-options.js';
import { Command } from 'commander';
import { printJson } from './render.js';

type DoctorFlags = StorageFlags & { readonly json?: true };

/** `ambit doctor`: what a store is, and whether it keeps what it promises. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('examine a store: versions, durability, clock, and whether it counts exactly')
    .option('--json', 'print JSON')
    .addOption(storageFlag())
    .addHelpText(
      'after',
      '\nExit codes: 0 all is well, warnings included; 1 a check failed; 64 a wrong URL; 69 the store cannot be opened.',
    )
    .action(async (flags: DoctorFlags) => {
      const url = storageUrlOf(flags);
      locationOf(url);
      const report = await examineStore(url);
      if (flags.json) printJson(report);
      else process.stdout.write(reportLines(report));
      if (report.ok) return;
      if (!report.error) process.exitCode = exitCodes.refused;
      else if (flags.json) process.exitCode = exitCodeOf(report.error.code);
      else throw new CliError(report.error.message, exitCodeOf(report.error.code));
    });
}

function exitCodeOf(code: string): number {
  return code === 'INVALID_INPUT' ? exitCodes.usage : exitCodes.store;
}

/** A line a check, then one for each fact. */
function reportLines({ url, checks, error, description }: StoreReport): string {
  if (error) return '';
  const marks = { ok: '✓', warning: '!', failed: '✗' } as const;
  const facts = Object.entries(description?.facts ?? {});
  const width = Math.max(...checks.map(({ name }) => name.length), ...facts.map(([fact]) => fact.length)) + 2;
  return [
    url,
    ...checks.map(({ name, status, message }) => `${marks[status]} ${name.padEnd(width)}${message}`),
    ...facts.map(([fact, is]) => `  ${fact.padEnd(width)}${is}`),
  ]
    .map((line) => `${line}\n`)
    .join('');
}
