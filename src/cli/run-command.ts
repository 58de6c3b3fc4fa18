import { addLimitFlags, parseServerName, storageFlag, type StorageFlags } from './command-options.js';
import { CliError, exitCodes } from './exit-codes.js';
import { runLeash, type ToolAuthorizer } from '../mcp/leash.js';
import { type SessionFlags, sessionForRun } from './run-session.js';
import { type ServerProcess, ServerStartError, startServerProcess } from '../mcp/server-process.js';
import type { Ambit } from '../open-ambit.js';
import { Command, InvalidArgumentError } from 'commander';
import { compileGlobs } from '../tasks/glob-rules.js';
import { createMethodPolicy } from '../mcp/method-rules.js';
import { openDecisionLog } from './decision-log.js';
import { openStore, requireRemembering, storageUrlOf } from './open-store.js';
import { redactLine } from './redact-line.js';
import { refuse } from '../core/refusals.js';
import type { TaskSession } from '../tasks/task-types.js';

type RunFlags = SessionFlags &
  StorageFlags & {
    readonly server?: string;
    readonly allowMethod?: readonly string[];
    readonly log?: string;
  };

/** `ambit run`: an MCP server on a leash. */
export function runCommand(): Command {
  const command = new Command('run')
    .description('start an MCP server (stdio) inside a bounded session')
    .usage('--tools GLOB[,GLOB…] [options] -- COMMAND [ARG…]')
    .argument('<command>', 'the MCP server to start')
    .argument('[args...]', 'its arguments')
    .passThroughOptions();
  return addLimitFlags(command)
    .option('--renew', 'with --task: start anew if its time is over')
    .option('--session-file <file>', "a session's token (or AMBIT_SESSION)")
    .option(
      '--server <name>',
      'check its tools as NAME/tool, so that servers can share a task',
      parseServerName,
    )
    .option(
      '--allow-method <glob>',
      'let further MCP methods through, such as resources/*',
      (glob, before: string[] | undefined) => [...(before ?? []), parseMethodGlob(glob)],
    )
    .option('--log <file>', 'append one JSON line for every decision')
    .addOption(storageFlag())
    .addHelpText(
      'after',
      `
Exit codes: COMMAND's own; 64 usage, 69 store, 70 anything else that broke, 77 session closed or expired, 78 the task has
other limits.

Example:
  ambit run --task tidy-up --tools 'read_*,list_*' --calls 50 --for 30m -- npx -y @modelcontextprotocol/server-filesystem /data`,
    )
    .action(async (name: string, args: readonly string[], flags: RunFlags) => {
      const exitCode = await run(name, args, flags);
      // Not over the code of a stdout that could not be written.
      process.exitCode ??= exitCode;
    });
}

/** Tried before there is a session and a server for it. */
function parseMethodGlob(glob: string): string {
  try {
    createMethodPolicy([glob], () => false);
    return glob;
  } catch (error) {
    if (error instanceof TypeError) throw new InvalidArgumentError(error.message);
    throw error;
  }
}

async function run(name: string, args: readonly string[], flags: RunFlags): Promise<number> {
  const notice = (text: string): void => void process.stderr.write(`ambit: ${redactLine(text)}\n`);
  requireRemembering(flags.task, storageUrlOf(flags));
  const ambit = await openStore(flags);
  try {
    const { session, oneShot } = await sessionForRun(ambit, flags);
    try {
      if (oneShot)
        notice(`one-shot session ${session.sessionId}, closed at exit; use --task NAME for one that is kept`);
      return await hold(ambit, session, name, args, flags, notice);
    } finally {
      if (oneShot) await ambit.tasks.close(session.sessionId);
    }
  } finally {
    await ambit.close();
  }
}

/** Runs the server until it, or the client, is done. */
async function hold(
  ambit: Ambit,
  session: TaskSession,
  name: string,
  args: readonly string[],
  flags: RunFlags,
  notice: (text: string) => void,
): Promise<number> {
  const log = flags.log === undefined ? undefined : openDecisionLog(flags.log, session, notice);
  let server: ServerProcess | undefined;
  try {
    server = await startServerProcess({ command: name, args });
    const { stop } = server;
    await runLeash({
      authorizer: authorizerOf(ambit, session),
      client: { input: process.stdin, output: process.stdout },
      server,
      ...(flags.server !== undefined && { serverName: flags.server }),
      ...(flags.allowMethod && { allowedMethods: flags.allowMethod }),
      ...(log && { onDecision: (decision) => log.write(decision) }),
      onNotice: notice,
      // A server that goes on when its stdin has ended must not keep the run, and its session, up.
      onClientEnd: () => void stop(),
    });
    const { exitCode } = await stop();
    return exitCode;
  } catch (error) {
    await server?.stop();
    if (error instanceof ServerStartError) throw new CliError(error.message, error.exitCode);
    if (error instanceof TypeError) throw new CliError(error.message, exitCodes.usage);
    throw error;
  } finally {
    log?.close();
  }
}

/** One task session, as the leash asks about it. */
export function authorizerOf({ tasks }: Ambit, { sessionId, authorizedTools }: TaskSession): ToolAuthorizer {
  const matcher = compileGlobs(authorizedTools);
  return {
    async scope() {
      // No call at all: charges nothing and tells how much time is left by the clock of the store, which need not be ours.
      const standing = await tasks.useBatch(sessionId, []);
      const code = standing.ok ? undefined : standing.refusal.code;
      if (!standing.ok && (code === 'SESSION_NOT_FOUND' || code === 'STORAGE_UNAVAILABLE')) return standing;
      // A session that is over still lists its tools, and its calls then say why they are refused.
      const remainingMs = standing.ok ? standing.remaining.ms : 0;
      return { ok: true, isAuthorized: (tool) => matcher.matches(tool), remainingMs };
    },
    use: (tool) => tasks.use(sessionId, tool),
    async check(tool) {
      if (matcher.matches(tool)) return tasks.useBatch(sessionId, []);
      return refuse({
        code: 'TOOL_NOT_AUTHORIZED',
        message: 'this session does not allow the tool',
        retryable: false,
        tool,
      });
    },
  };
}
