import { CliError, exitCodes } from './exit-codes.js';
import { printJson } from './render.js';
import { readFile, writeFile } from 'node:fs/promises';
import { storageFlag, type StorageFlags, parseWhole } from './command-options.js';
import type { Ambit } from '../open-ambit.js';
import { codeOf } from './session-file.js';
import { Command } from 'commander';
import { openStore } from './open-store.js';
import { refusedError } from './run-session.js';
import type { Refused } from '../core/refusals.js';
import { transcriptTable, transcriptText } from './render-transcript.js';

type Flags = StorageFlags & { readonly json?: true };

/** `ambit transcripts`: conversations, for people at a terminal. */
export function transcriptsCommand(): Command {
  return new Command('transcripts')
    .description('list, read, export, import and fork conversations')
    .addCommand(listCommand())
    .addCommand(showCommand())
    .addCommand(exportCommand())
    .addCommand(importCommand())
    .addCommand(forkCommand());
}

function listCommand(): Command {
  const command = new Command('list')
    .description('list conversations, the one that was active last first')
    .option('--agent <id>', 'only those of this agent')
    .option('--limit <n>', 'at most so many (default: 100)', parseWhole)
    .option('--cursor <cursor>', 'go on where the last page ended');
  type ListFlags = Flags & { agent?: string; limit?: number; cursor?: string };
  return common(command).action((flags: ListFlags) =>
    withStore(flags, async ({ transcripts }) => {
      const { agent, limit, cursor } = flags;
      const page = granted(
        await transcripts.list({
          ...(agent !== undefined && { agentId: agent }),
          ...(limit !== undefined && { limit }),
          ...(cursor !== undefined && { cursor }),
        }),
      );
      const { sessions, damaged } = page;
      if (flags.json) return printJson({ sessions, damaged, cursor: page.cursor ?? null });
      process.stdout.write(transcriptTable(sessions));
      for (const id of damaged) process.stdout.write(`damaged: ${JSON.stringify(id)}\n`);
      if (page.cursor !== undefined) process.stdout.write(`more: --cursor ${page.cursor}\n`);
    }),
  );
}

function showCommand(): Command {
  const command = new Command('show')
    .description('read one conversation')
    .argument('<id>')
    .option('--loop <id>', 'only the branch that ends with this loop')
    .option('--turns <n>', 'only its last turns', parseWhole);
  return common(command).action((id: string, flags: Flags & { loop?: string; turns?: number }) =>
    withStore(flags, async ({ transcripts }) => {
      const { loop, turns } = flags;
      const options = { ...(loop !== undefined && { loopId: loop }), ...(turns !== undefined && { turns }) };
      const { transcript } = granted(await transcripts.load(id, options));
      if (flags.json) printJson(transcript);
      else process.stdout.write(transcriptText(transcript));
    }),
  );
}

function exportCommand(): Command {
  const command = new Command('export')
    .description('write one conversation as JSON')
    .argument('<id>')
    .option('--out <file>', 'into this new file (0600) instead of stdout');
  return command.addOption(storageFlag()).action((id: string, flags: StorageFlags & { out?: string }) =>
    withStore(flags, async ({ transcripts }) => {
      const { transcript } = granted(await transcripts.export(id));
      if (flags.out === undefined) return printJson(transcript);
      const { out } = flags;
      await writeFile(out, `${JSON.stringify(transcript, null, 2)}\n`, { mode: 0o600, flag: 'wx' }).catch(
        (error: unknown) => {
          throw new CliError(`${out}: it cannot be written (${codeOf(error)})`, exitCodes.failed);
        },
      );
    }),
  );
}

function importCommand(): Command {
  const command = new Command('import')
    .description('make a conversation of a JSON file: what export wrote, or a session file of phi-core')
    .argument('<file>')
    .option('--id <id>', 'under this id instead of its own')
    .option('--replace', 'replace a conversation that has the id')
    .option('--overwrite', 'with --replace: also by a part of one, and delete the rest');
  return common(command).action(
    (file: string, flags: Flags & { id?: string; replace?: true; overwrite?: true }) =>
      withStore(flags, async ({ transcripts }) => {
        const options = {
          ...(flags.id !== undefined && { sessionId: flags.id }),
          ...(flags.replace && { replace: true }),
          ...(flags.overwrite && { overwrite: true }),
        };
        const { session } = granted(await importFile(transcripts, file, options));
        if (flags.json) printJson(session);
        else process.stdout.write(`imported ${session.sessionId}\n`);
      }),
  );
}

async function importFile(
  transcripts: Ambit['transcripts'],
  file: string,
  options: Parameters<Ambit['transcripts']['import']>[1],
): ReturnType<Ambit['transcripts']['import']> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw new CliError(`${file}: it cannot be read (${codeOf(error)})`, exitCodes.usage);
  });
  try {
    return await transcripts.import(JSON.parse(text), options);
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof TypeError)) throw error;
    throw new CliError(`${file}: it is no transcript (${error.message})`, exitCodes.usage);
  }
}

function forkCommand(): Command {
  const command = new Command('fork')
    .description('copy a conversation, or a branch of it, into a new one')
    .argument('<id>')
    .option('--id <id>', 'the id of the copy; made up unless given')
    .option('--loop <id>', 'only the branch that ends with this loop');
  return common(command).action((id: string, flags: Flags & { id?: string; loop?: string }) =>
    withStore(flags, async ({ transcripts }) => {
      const { session } = granted(
        await transcripts.fork(id, {
          ...(flags.id !== undefined && { sessionId: flags.id }),
          ...(flags.loop !== undefined && { loopId: flags.loop }),
        }),
      );
      if (flags.json) printJson(session);
      else process.stdout.write(`forked into ${session.sessionId}\n`);
    }),
  );
}

function common(command: Command): Command {
  return command.option('--json', 'print JSON').addOption(storageFlag());
}

async function withStore(flags: StorageFlags, work: (ambit: Ambit) => Promise<void>): Promise<void> {
  const ambit = await openStore(flags);
  try {
    await work(ambit);
  } finally {
    await ambit.close();
  }
}

/** What was granted; a refusal ends the command. */
function granted<T extends { readonly ok: true }>(answer: T | Refused): T {
  if (answer.ok) return answer;
  throw refusedError(answer);
}
