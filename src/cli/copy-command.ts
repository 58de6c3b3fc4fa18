import { copyStore, type CopyProgress, type CopyReport } from '../copy/copy-store.js';
import { locationOf, storeError } from './open-store.js';
import { CliError, exitCodes } from './exit-codes.js';
import { Command } from 'commander';
import { Presets, SingleBar } from 'cli-progress';
import { printJson } from './render.js';
import { redactStorageUrl } from '../core/storage-url.js';

interface CopyFlags {
  readonly json?: true;
}

/** `ambit copy`: moves a store to another backend. */
export function copyCommand(): Command {
  return new Command('copy')
    .description('copy a store into an empty one, of any backend; stopped, it goes on where it was')
    .argument('<from>', 'the URL of the store; nobody may write to it meanwhile')
    .argument('<to>', 'the URL of an empty store, or of an unfinished copy of the same one')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nAll records are compared in the end. Exit codes: 0 equal; 64 a wrong URL, or a store that is in use; 69 a store that cannot be opened or does not answer.',
    )
    .action(async (from: string, to: string, flags: CopyFlags) => {
      for (const url of [from, to]) {
        if (locationOf(url).kind === 'memory')
          throw new CliError(
            'memory: holds nothing outside its process; name another store',
            exitCodes.usage,
          );
      }
      const progress = process.stderr.isTTY ? progressBar() : progressLines();
      const endWatching = stoppedBySignal(progress);
      let report: CopyReport;
      try {
        report = await copyStore({ from, to, onProgress: progress.show });
      } catch (error) {
        throw storeError(error);
      } finally {
        progress.stop();
        endWatching();
      }
      if (flags.json) printJson({ from: redactStorageUrl(from), to: redactStorageUrl(to), ...report });
      else process.stdout.write(`${reportLine(report, to)}\n`);
    });
}

function reportLine({ records, copied, mended, resumed }: CopyReport, to: string): string {
  const earlier = resumed ? ` (${copied} of them now, the others by a run that was stopped)` : '';
  const changed = mended > 0 ? `; ${mended} had changed meanwhile and were copied again` : '';
  return `${redactStorageUrl(to)}: ${records} records, compared and equal${earlier}${changed}`;
}

interface Shown {
  readonly show: (progress: CopyProgress) => void;
  stop(): void;
}

/** A bar for each step, but for counting: how many there are is what it finds out. */
function progressBar(): Shown {
  const barOf = (format: string): SingleBar =>
    new SingleBar(
      { format, stream: process.stderr, hideCursor: true, clearOnComplete: true },
      Presets.legacy,
    );
  let bar: SingleBar | undefined;
  let current: CopyProgress['step'] | undefined;
  return {
    show({ step, done, total }) {
      if (step === current) {
        bar?.setTotal(total ?? done);
        bar?.update(done);
        return;
      }
      bar?.stop();
      current = step;
      bar = barOf(
        total === undefined
          ? `${step}: {value} records`
          : `${step} [{bar}] {value}/{total} records, {eta_formatted} left`,
      );
      bar.start(total ?? done, done);
    },
    stop() {
      bar?.stop();
      bar = undefined;
    },
  };
}

/** A bar hides the cursor and turns off the wrapping of lines: who stops the command gets both back. Answers how to end it. */
function stoppedBySignal(progress: Shown): () => void {
  const onSignal = (signal: NodeJS.Signals): void => {
    progress.stop();
    end();
    process.stderr.write('ambit: stopped; the same command goes on where it was\n');
    process.kill(process.pid, signal);
  };
  const end = (): void => {
    for (const signal of signals) process.off(signal, onSignal);
  };
  for (const signal of signals) process.on(signal, onSignal);
  return end;
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Where nobody watches: a line at the beginning of each step. */
function progressLines(): Shown {
  let current: CopyProgress['step'] | undefined;
  return {
    show({ step, total }) {
      if (step === current) return;
      current = step;
      process.stderr.write(`ambit: ${step}${total === undefined ? '' : ` ${total} records`}\n`);
    },
    stop() {},
  };
}
