import {
  addLimitFlags,
  type LimitFlags,
  parseDurationFlag,
  parseGlobs,
  parseMore,
  parseSensitivity,
  parseWhole,
  requireTools,
  termsOf,
} from './command-options.js';
import { CliError, exitCodes } from './exit-codes.js';
import { printJson, sessionDetails, sessionTable } from './render.js';
import type { Sensitivity, TaskStatus } from '../tasks/task-types.js';
import { Command, InvalidArgumentError } from 'commander';
import { addStoreFlags, granted, type StoreFlags, withStore } from './with-store.js';
import type { Ambit } from '../open-ambit.js';
import { createTokenFile } from './session-file.js';
import { formatDuration } from '../core/durations.js';

type Flags = StoreFlags;

/** `ambit sessions`: what a person does with sessions from a terminal, also while an `ambit run` is running. */
export function sessionsCommand(): Command {
  return new Command('sessions')
    .description('create, look at, extend and close sessions')
    .addCommand(createCommand())
    .addCommand(listCommand())
    .addCommand(
      addStoreFlags(new Command('show').description('show one session').argument('<id>')).action(
        (id: string, flags: Flags) =>
          withStore(flags, async ({ tasks }) => {
            const { session } = granted(await tasks.get(id));
            if (flags.json) printJson(session);
            else process.stdout.write(sessionDetails(session, Date.now()));
          }),
      ),
    )
    .addCommand(extendCommand())
    .addCommand(
      addStoreFlags(new Command('close').description('close a session for good').argument('<id>')).action(
        (id: string, flags: Flags) =>
          withStore(flags, async ({ tasks }) => {
            const { summary } = granted(await tasks.close(id));
            if (flags.json) return printJson(summary);
            process.stdout.write(
              `closed ${summary.sessionId}: ${summary.callsMade} of ${summary.callBudget} calls in ${formatDuration(summary.elapsedMs)}\n`,
            );
          }),
      ),
    )
    .addCommand(closeAgentCommand());
}

interface CreateFlags extends LimitFlags, Flags {
  readonly credentials?: readonly string[];
  readonly ceiling?: Sensitivity;
  readonly parent?: string;
  readonly sessionFile?: string;
}

function createCommand(): Command {
  const command = addLimitFlags(
    new Command('create').description('create a session and print its token once'),
  )
    .option('--renew', 'with --task: take the name over from a session that is over, also from a closed one')
    .option('--credentials <names>', 'secrets it may use, separated by commas', parseGlobs)
    .option(
      '--ceiling <level>',
      'most sensitive data it may see: public, internal, confidential, restricted',
      parseSensitivity,
    )
    .option('--parent <id>', 'the session whose authority it narrows')
    .option('--session-file <file>', 'write the token into this new file (0600) instead of printing it');
  return addStoreFlags(command).action((flags: CreateFlags) =>
    withStore(flags, async ({ tasks }) => {
      requireTools(flags);
      const terms = {
        ...termsOf(flags, flags.agent ?? 'local', flags.intent ?? 'ambit sessions create'),
        ...(flags.credentials && { authorizedCredentials: flags.credentials }),
        ...(flags.ceiling && { dataSensitivityCeiling: flags.ceiling }),
        ...(flags.parent !== undefined && { parentSessionId: flags.parent }),
      };
      if (flags.renew && flags.task === undefined)
        throw new CliError('--renew needs --task', exitCodes.usage);
      // Opened first: a token that could not be handed over would be lost.
      const handOver = flags.sessionFile === undefined ? undefined : createTokenFile(flags.sessionFile);
      const { session, token } = await createOrRenew(tasks, terms, flags).catch((error: unknown) => {
        handOver?.discard();
        throw error;
      });
      handOver?.write(token);
      if (flags.json) return printJson(handOver ? { session } : { session, token });
      process.stdout.write(sessionDetails(session, Date.now()));
      if (!handOver)
        process.stdout.write(`\ntoken       ${token}\n(shown once; hand it to the agent as AMBIT_SESSION)\n`);
    }),
  );
}

async function createOrRenew(
  tasks: Ambit['tasks'],
  terms: Parameters<Ambit['tasks']['create']>[0],
  flags: CreateFlags,
) {
  if (flags.task === undefined) return granted(await tasks.create(terms));
  if (!flags.renew) return granted(await tasks.create({ ...terms, taskName: flags.task }));
  const opened = granted(
    await tasks.openByName({ ...terms, taskName: flags.task, renew: 'expired-or-closed' }),
  );
  if (opened.created && opened.token !== undefined) return { session: opened.session, token: opened.token };
  throw new CliError(`the task "${flags.task}" is active; close it first`, exitCodes.refused);
}

function listCommand(): Command {
  const status = (text: string): TaskStatus => {
    const known = (['active', 'closed', 'expired'] as const).find((one) => one === text);
    if (!known) throw new InvalidArgumentError('it must be active, closed or expired');
    return known;
  };
  const command = new Command('list')
    .description('list sessions, newest first')
    .option('--agent <id>', 'only those of this agent')
    .option('--status <status>', 'only those that are active, closed or expired', status)
    .option('--limit <n>', 'at most so many (default: 100)', parseWhole)
    .option('--cursor <cursor>', 'go on where the last page ended');
  type ListFlags = Flags & { agent?: string; status?: TaskStatus; limit?: number; cursor?: string };
  return addStoreFlags(command).action((flags: ListFlags) =>
    withStore(flags, async ({ tasks }) => {
      const { agent, status: wanted, limit, cursor } = flags;
      const page = granted(
        await tasks.list({
          ...(agent !== undefined && { agentId: agent }),
          ...(wanted && { status: wanted }),
          ...(limit !== undefined && { limit }),
          ...(cursor !== undefined && { cursor }),
        }),
      );
      if (flags.json) return printJson({ sessions: page.sessions, cursor: page.cursor ?? null });
      process.stdout.write(sessionTable(page.sessions, Date.now()));
      if (page.cursor !== undefined) process.stdout.write(`more: --cursor ${page.cursor}\n`);
    }),
  );
}

function extendCommand(): Command {
  const command = new Command('extend')
    .description('add calls or time to a session')
    .argument('<id>')
    .option('--calls <n>', 'calls to add', parseMore)
    .option('--for <duration>', 'time to add, such as 30m', parseDurationFlag);
  return addStoreFlags(command).action((id: string, flags: Flags & { calls?: number; for?: number }) =>
    withStore(flags, async ({ tasks }) => {
      if (flags.calls === undefined && flags.for === undefined) {
        throw new CliError('give --calls, --for or both: what is to be added', exitCodes.usage);
      }
      const by = {
        ...(flags.calls !== undefined && { calls: flags.calls }),
        ...(flags.for !== undefined && { ms: flags.for }),
      };
      const { session } = granted(await tasks.extend(id, by));
      if (flags.json) printJson(session);
      else process.stdout.write(sessionDetails(session, Date.now()));
    }),
  );
}

function closeAgentCommand(): Command {
  const command = new Command('close-agent')
    .description('close all live sessions of an agent')
    .argument('<agent>')
    .option('--deactivate', 'and let it have no session any more');
  return addStoreFlags(command).action((agent: string, flags: Flags & { deactivate?: true }) =>
    withStore(flags, async ({ tasks }) => {
      const { closed } = granted(
        flags.deactivate ? await tasks.deactivateAgent(agent) : await tasks.closeAllForAgent(agent),
      );
      if (flags.json) return printJson({ agentId: agent, closed });
      process.stdout.write(`closed ${closed} ${closed === 1 ? 'session' : 'sessions'}\n`);
    }),
  );
}
