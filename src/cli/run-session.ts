import { CliError, exitCodeOf, exitCodes } from './exit-codes.js';
import { type LimitFlags, requireTools, termsOf } from './command-options.js';
import type { RateLimit, TaskSession, TaskTerms } from '../tasks/task-types.js';
import type { Ambit } from '../open-ambit.js';
import { exactDuration } from './command-options.js';
import { randomUUID } from 'node:crypto';
import { readToken } from './session-file.js';
import type { Refused } from '../core/refusals.js';

export type SessionFlags = LimitFlags & { readonly sessionFile?: string };

export interface RunSession {
  readonly session: TaskSession;
  /** Nobody can come back to it, so it is closed when the run ends. */
  readonly oneShot: boolean;
}

/** The session a run is held to: that of a token, that of a task's name, or one of its own. */
export async function sessionForRun(ambit: Ambit, flags: SessionFlags): Promise<RunSession> {
  const token = readToken(flags.sessionFile);
  if (token !== undefined) {
    const given = ['tools', 'calls', 'for', 'rate', 'agent', 'intent', 'task', 'renew'].find(
      (name) => flags[name as keyof LimitFlags] !== undefined,
    );
    if (given) {
      throw new CliError(
        `--${given} and a session's token (AMBIT_SESSION or --session-file) exclude each other: the session has its limits`,
        exitCodes.usage,
      );
    }
    return { session: await sessionOfToken(ambit, token), oneShot: false };
  }
  requireTools(flags);
  if (flags.task !== undefined)
    return { session: await sessionOfTask(ambit, flags, flags.task), oneShot: false };
  if (flags.renew)
    throw new CliError('--renew needs --task: only a named session can start anew', exitCodes.usage);
  // An agent of its own: what is left behind by a killed run fills nobody's cap.
  const agentId = `${flags.agent ?? 'run'}-${randomUUID()}`;
  const created = await ambit.tasks.create(termsOf(flags, agentId, flags.intent ?? 'ambit run'));
  if (!created.ok) throw refusedError(created);
  return { session: created.session, oneShot: true };
}

async function sessionOfToken(ambit: Ambit, token: string): Promise<TaskSession> {
  const found = await ambit.tasks.authenticate(token);
  if (!found.ok) throw refusedError(found);
  const { status, sessionId } = found.session;
  if (status !== 'active')
    throw new CliError(`the session ${sessionId} is ${status}; ask for a new one`, exitCodes.over);
  return found.session;
}

async function sessionOfTask(ambit: Ambit, flags: LimitFlags, taskName: string): Promise<TaskSession> {
  const terms = termsOf(flags, flags.agent ?? 'local', flags.intent ?? 'ambit run');
  const renew = flags.renew ? 'expired' : 'never';
  const opened = await ambit.tasks.openByName({ ...terms, taskName, renew });
  if (!opened.ok) {
    if (opened.refusal.code === 'SESSION_CLOSED') {
      throw new CliError(
        `the task "${taskName}" was closed and stays closed; choose another name, or renew it on purpose with: ambit sessions create --renew`,
        exitCodes.over,
      );
    }
    if (opened.refusal.code === 'SESSION_EXPIRED') {
      throw new CliError(
        `the time of the task "${taskName}" is over; start it anew with --renew`,
        exitCodes.over,
      );
    }
    throw refusedError(opened);
  }
  const differences = opened.created ? [] : differencesOf(flags, opened.terms);
  if (differences.length > 0) {
    throw new CliError(
      `the task "${taskName}" exists with other limits: ${differences.join('; ')}; leave them out, or choose another name`,
      exitCodes.limitsDiffer,
    );
  }
  return opened.session;
}

/** The limits that were given and differ from those the task was created with, in words. */
function differencesOf(flags: LimitFlags, terms: TaskTerms): string[] {
  const differences: string[] = [];
  const compare = (flag: string, given: string | undefined, stored: string): void => {
    if (given !== undefined && given !== stored) differences.push(`${flag} is ${stored}, not ${given}`);
  };
  // To the millisecond, as it is kept: words such as "1h 1m" are the same for many durations.
  const sorted = (globs: readonly string[]): string => [...new Set(globs)].sort().join(',');
  compare('--tools', flags.tools && sorted(flags.tools), sorted(terms.authorizedTools));
  compare('--calls', flags.calls?.toString(), String(terms.callBudget));
  compare(
    '--for',
    flags.for === undefined ? undefined : exactDuration(flags.for),
    exactDuration(terms.timeLimitMs),
  );
  // A program may have chosen another algorithm, which no flag gives: that is another limit.
  const rate = (limit: RateLimit | undefined): string =>
    limit
      ? `${limit.calls}/${exactDuration(limit.perMs)}${limit.algorithm && limit.algorithm !== 'gcra' ? ` (${limit.algorithm})` : ''}`
      : 'none';
  compare('--rate', flags.rate && rate(flags.rate), rate(terms.rateLimit));
  return differences;
}

export function refusedError({ refusal }: Refused): CliError {
  const flag = refusal.code === 'INVALID_INPUT' ? flagOf(refusal.field) : undefined;
  return new CliError((flag === undefined ? '' : `${flag}: `) + refusal.message, exitCodeOf(refusal.code));
}

/** What a person typed, for the name that a field has in the engine. */
function flagOf(field: string | undefined): string | undefined {
  const [name = ''] = field?.split(/[.[]/) ?? [];
  return flagsByField.get(name);
}

const flagsByField: ReadonlyMap<string, string> = new Map([
  ['agentId', '--agent'],
  ['declaredIntent', '--intent'],
  ['authorizedTools', '--tools'],
  ['authorizedCredentials', '--credentials'],
  ['callBudget', '--calls'],
  ['timeLimitMs', '--for'],
  ['rateLimit', '--rate'],
  ['taskName', '--task'],
  ['parentSessionId', '--parent'],
  ['calls', '--calls'],
  ['ms', '--for'],
  ['limit', '--limit'],
  ['cursor', '--cursor'],
]);
