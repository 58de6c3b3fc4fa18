#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { CliError, exitCodes } from './exit-codes.js';
import { copyCommand } from './copy-command.js';
import { doctorCommand } from './doctor-command.js';
import { readFileSync } from 'node:fs';
import { redactLine } from './redact-line.js';
import { runCommand } from './run-command.js';
import { scopesCommand } from './scopes-command.js';
import { sessionsCommand } from './sessions-command.js';
import { transcriptsCommand } from './transcripts-command.js';
import { unwrapCommand, wrapCommand } from './wrap-command.js';

/** One line on stderr, whatever it was; a stack trace helps nobody who types a command. */
function fail(error: unknown): void {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : exitCodes.usage;
    return;
  }
  const line = (error instanceof Error ? error.message : String(error)).replace(/\s+/g, ' ');
  process.stderr.write(`ambit: ${redactLine(line)}\n`);
  process.exitCode = error instanceof CliError ? error.exitCode : exitCodes.failed;
}

function program(): Command {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  const ambit = new Command('ambit')
    .description('bounded, exact and durable sessions for AI agents')
    .version(version)
    .enablePositionalOptions()
    .addCommand(runCommand())
    .addCommand(sessionsCommand())
    .addCommand(scopesCommand())
    .addCommand(transcriptsCommand())
    .addCommand(wrapCommand())
    .addCommand(unwrapCommand())
    .addCommand(doctorCommand())
    .addCommand(copyCommand());
  quiet(ambit);
  return ambit;
}

/** Makes commander throw instead of exiting, and say in one line what is wrong. */
function quiet(command: Command): void {
  command.exitOverride();
  command.configureOutput({
    outputError: (text, write) =>
      write(
        `ambit: ${redactLine(text)
          .replace(/^error: /, '')
          .trim()
          .replace(/\s*\n\s*/g, ' ')} (see --help)\n`,
      ),
  });
  for (const child of command.commands) quiet(child);
}

// `ambit sessions list | head`: who stops reading has what it wanted.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return;
  fail(new Error(`stdout cannot be written (${error.code ?? error.message})`, { cause: error }));
});
// Nobody reads what is said here, or the disk behind it is full: no reason to leave a server and its session alone.
process.stderr.on('error', () => {});
// A bug. The server goes with the process, since `exit` stops its group.
process.on('uncaughtException', (error) => {
  fail(error);
  process.exit();
});

try {
  await program().parseAsync();
} catch (error) {
  fail(error);
}
