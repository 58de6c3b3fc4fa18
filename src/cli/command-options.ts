import {
  callBudgetMax,
  rateCallsMax,
  ratePerMsMax,
  ratePerMsMin,
  timeLimitMsMax,
  timeLimitMsMin,
} from '../tasks/task-limits.js';
import { CliError, exitCodes } from './exit-codes.js';
import type { RateLimit, Sensitivity, TaskTermsInput } from '../tasks/task-types.js';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { hourMs, minuteMs, secondMs } from '../core/time.js';
import { parseDuration } from '../core/durations.js';
import { serverNameProblem } from '../mcp/leash.js';

/** The limits of a session as flags give them; what was not given is not there. */
export interface LimitFlags {
  readonly tools?: readonly string[];
  readonly calls?: number;
  readonly for?: number;
  readonly rate?: RateLimit;
  readonly agent?: string;
  readonly intent?: string;
  readonly task?: string;
  readonly renew?: true;
}

export interface StorageFlags {
  readonly storage?: string;
}

/** Adds the flags that say what a session may do. */
export function addLimitFlags(command: Command): Command {
  return command
    .option(
      '--tools <globs>',
      "tools it may call, separated by commas; everything is written '*'",
      parseGlobs,
    )
    .option('--calls <n>', 'calls it may make (default: 1000)', parseBudget)
    .option('--for <duration>', 'how long it lives: 30s, 5m, 2h (default: 1h, at most 24h)', parseLifetime)
    .option('--rate <n/duration>', 'how fast calls may come, such as 10/1m', parseRate)
    .option('--agent <id>', 'who it belongs to', parseAgent)
    .option('--intent <text>', 'what it is for')
    .option('--task <name>', 'a name to come back to: joins the session of that name, or creates it');
}

export function storageFlag(): Option {
  return new Option(
    '--storage <url>',
    'where sessions are kept (default: AMBIT_STORAGE, or a file in your data directory)',
  );
}

/** The terms that limits stand for. */
export function termsOf(flags: LimitFlags, agentId: string, declaredIntent: string): TaskTermsInput {
  return {
    agentId,
    declaredIntent,
    ...(flags.tools && { authorizedTools: flags.tools }),
    ...(flags.calls !== undefined && { callBudget: flags.calls }),
    ...(flags.for !== undefined && { timeLimitMs: flags.for }),
    ...(flags.rate && { rateLimit: flags.rate }),
  };
}

export function parseGlobs(text: string): readonly string[] {
  const globs = text.split(',').map((glob) => glob.trim());
  if (globs.some((glob) => glob === ''))
    throw new InvalidArgumentError('it holds an empty name; write read_file,list_*');
  return globs;
}

/** The rest the engine checks; an empty id it would not see, where a run makes one of its own from it. */
function parseAgent(text: string): string {
  if (text === '') throw new InvalidArgumentError('it must not be empty');
  return text;
}

/** Said before there is a session, and a server, for it. */
export function parseServerName(text: string): string {
  const problem = serverNameProblem(text);
  if (problem !== undefined) throw new InvalidArgumentError(`it must be ${problem}`);
  return text;
}

export function parseWhole(text: string): number {
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('it must be a whole number, such as 50');
  return Number(text);
}

/** What is to be added: at least one. */
export function parseMore(text: string): number {
  const more = parseWhole(text);
  if (more === 0) throw new InvalidArgumentError('it must be a whole number from 1, such as 50');
  return more;
}

// The engine has the same bounds, and names them in its own words and in milliseconds.
function parseBudget(text: string): number {
  const calls = parseWhole(text);
  if (calls > callBudgetMax) throw new InvalidArgumentError(`it must be at most ${callBudgetMax}`);
  return calls;
}

function parseLifetime(text: string): number {
  const lifetimeMs = parseDurationFlag(text);
  requireWithin(lifetimeMs, timeLimitMsMin, timeLimitMsMax, 'it');
  return lifetimeMs;
}

function requireWithin(durationMs: number, minMs: number, maxMs: number, what: string): void {
  if (durationMs >= minMs && durationMs <= maxMs) return;
  throw new InvalidArgumentError(`${what} must be from ${exactDuration(minMs)} to ${exactDuration(maxMs)}`);
}

export function parseDurationFlag(text: string): number {
  const durationMs = parseDuration(text);
  if (durationMs === undefined)
    throw new InvalidArgumentError('it must be a number and a unit (ms, s, m, h, d), such as 30m');
  return durationMs;
}

/** A duration as a flag takes it: a number and the largest unit that divides it, without rounding. */
export function exactDuration(durationMs: number): string {
  const unit = units.find(([, unitMs]) => durationMs >= unitMs && durationMs % unitMs === 0);
  return unit ? `${durationMs / unit[1]}${unit[0]}` : `${durationMs}ms`;
}

const units = [
  ['h', hourMs],
  ['m', minuteMs],
  ['s', secondMs],
] as const;

export function parseRate(text: string): RateLimit {
  const [, calls = '', per = ''] = /^(\d{1,9})\/(.+)$/.exec(text) ?? [];
  const perMs = parseDuration(/^[a-z]+$/.test(per) ? `1${per}` : per);
  if (perMs === undefined)
    throw new InvalidArgumentError('it must be calls, a slash and a duration, such as 10/1m');
  if (Number(calls) < 1 || Number(calls) > rateCallsMax)
    throw new InvalidArgumentError(`its calls must be from 1 to ${rateCallsMax}`);
  requireWithin(perMs, ratePerMsMin, ratePerMsMax, 'its duration');
  return { calls: Number(calls), perMs };
}

export function parseSensitivity(text: string): Sensitivity {
  const known = (['public', 'internal', 'confidential', 'restricted'] as const).find(
    (level) => level === text,
  );
  if (!known) throw new InvalidArgumentError('it must be public, internal, confidential or restricted');
  return known;
}

/** `--tools` has no default: what a session may do is always written down. */
export function requireTools(flags: LimitFlags): void {
  if (flags.tools) return;
  throw new CliError(
    "--tools is missing: name the tools it may call, or write --tools '*' for all",
    exitCodes.usage,
  );
}
