import {
  chmodSync,
  fsyncSync,
  closeSync,
  openSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { CliError, exitCodes } from './exit-codes.js';
import { codeOf } from './session-file.js';
import { createHash } from 'node:crypto';
import { serverNameProblem } from '../mcp/leash.js';

/** What became of each server. */
export interface WrapResult {
  readonly wrapped: readonly string[];
  readonly left: readonly { readonly name: string; readonly why: string }[];
}

interface ServerEntry {
  command?: unknown;
  args?: unknown;
  [field: string]: unknown;
}

type Config = Record<string, unknown>;

/** What is needed to put the file back byte for byte; kept beside it, as private as it is. */
interface Backup {
  readonly wrappedSha256: string;
  readonly originalBase64: string;
}

/**
 * Puts servers on the leash: their command becomes `ambit run … --server NAME -- COMMAND`.
 *
 * @param only the servers to wrap; all that are started by a command, if not given
 * @param flags the flags of `ambit run`
 */
export function wrapConfig(
  file: string,
  only: readonly string[] | undefined,
  flags: readonly string[],
): WrapResult {
  const original = readBytes(file);
  const config = parse(file, original);
  const servers = serversOf(file, config);
  const unknown = only?.find((name) => !Object.hasOwn(servers, name));
  if (unknown !== undefined) throw usage(file, `it has no server "${unknown}"`);
  const wrapped: string[] = [];
  const left: { name: string; why: string }[] = [];
  for (const [name, server] of Object.entries(servers)) {
    if (only && !only.includes(name)) continue;
    const nameProblem = serverNameProblem(name);
    if (isWrapped(server)) left.push({ name, why: 'it is on the leash already' });
    else if (nameProblem !== undefined)
      left.push({ name, why: `rename it first: a name on the leash is ${nameProblem}` });
    else if (typeof server.command !== 'string') left.push({ name, why: 'it is not started by a command' });
    else if (server.args !== undefined && !Array.isArray(server.args))
      left.push({ name, why: 'its "args" are not a list' });
    else {
      const args = (server.args ?? []) as unknown[];
      Object.assign(server, {
        command: 'ambit',
        args: ['run', ...flags, '--server', name, '--', server.command, ...args],
      });
      wrapped.push(name);
    }
  }
  if (wrapped.length === 0) return { wrapped, left };
  const text = stringify(config, original.toString('utf8'));
  const before = originalOf(file, original, parse(file, original));
  const { mode } = statSync(file);
  // The backup first: a crash in between leaves a backup that matches nothing, and does no harm.
  if (before) {
    const backup: Backup = { wrappedSha256: sha256(text), originalBase64: before.toString('base64') };
    writeWhole(backupOf(file), `${JSON.stringify(backup)}\n`, mode & 0o600);
  }
  writeWhole(file, text, mode);
  return { wrapped, left };
}

/** Takes the leash off: the file as it was, or only our part of it taken back if somebody edited it since. */
export function unwrapConfig(file: string): {
  readonly unwrapped: readonly string[];
  readonly restored: boolean;
} {
  const bytes = readBytes(file);
  const config = parse(file, bytes);
  const unwrapped: string[] = [];
  for (const [name, server] of Object.entries(serversOf(file, config))) {
    if (!isWrapped(server)) continue;
    const args = server.args as string[];
    const [command, ...rest] = args.slice(args.indexOf('--') + 1);
    Object.assign(server, { command, args: rest });
    unwrapped.push(name);
  }
  if (unwrapped.length === 0) throw usage(file, 'none of its servers is on the leash');
  const backup = readBackup(file);
  const { mode } = statSync(file);
  if (backup?.wrappedSha256 !== sha256(bytes)) {
    writeWhole(file, stringify(config, bytes.toString('utf8')), mode);
    rmSync(backupOf(file), { force: true });
    return { unwrapped, restored: false };
  }
  const original = Buffer.from(backup.originalBase64, 'base64');
  writeWhole(file, original, mode);
  rmSync(backupOf(file), { force: true });
  // A leash that was there before, put on by hand, is part of the file as it was.
  const before = serversOf(file, parse(file, original));
  return { unwrapped: unwrapped.filter((name) => !isWrapped(before[name] ?? {})), restored: true };
}

/**
 * The bytes before the first wrap. None where the file was edited since an earlier wrap: no bytes ever were the edits
 * without that leash, so only the leash can be taken off.
 */
function originalOf(file: string, bytes: Buffer, config: Config): Buffer | undefined {
  const backup = readBackup(file);
  if (!backup) return bytes;
  if (backup.wrappedSha256 === sha256(bytes)) return Buffer.from(backup.originalBase64, 'base64');
  return Object.values(serversOf(file, config)).some(isWrapped) ? undefined : bytes;
}

function isWrapped({ command, args }: ServerEntry): boolean {
  return command === 'ambit' && Array.isArray(args) && args[0] === 'run' && args.includes('--');
}

function serversOf(file: string, config: Config): Record<string, ServerEntry> {
  const servers = config.mcpServers ?? config.servers;
  if (typeof servers !== 'object' || servers === null || Array.isArray(servers)) {
    throw usage(file, 'it has no "mcpServers" (or "servers") object; is it an mcp.json?');
  }
  for (const [name, server] of Object.entries(servers)) {
    if (typeof server !== 'object' || server === null)
      throw usage(file, `the server "${name}" is not an object`);
  }
  return servers as Record<string, ServerEntry>;
}

function readBytes(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw usage(file, `it cannot be read (${codeOf(error)})`);
  }
}

function parse(file: string, bytes: Buffer): Config {
  try {
    const config = JSON.parse(bytes.toString('utf8').replace(/^\uFEFF/, '')) as unknown;
    if (typeof config === 'object' && config !== null && !Array.isArray(config)) return config as Config;
  } catch {
    // Said below.
  }
  throw usage(file, 'it is not a JSON object (comments are not JSON; take them out first)');
}

/** Writes JSON with the indent, the ends of lines and the last line feed that the file had. */
function stringify(config: Config, like: string): string {
  const indent = /^\{\r?\n([ \t]+)/.exec(like)?.[1] ?? '  ';
  const text = JSON.stringify(config, null, indent) + (like.endsWith('\n') ? '\n' : '');
  // Within its strings JSON has no raw line feeds.
  return like.includes('\r\n') ? text.replaceAll('\n', '\r\n') : text;
}

/** Writes a file as a whole or not at all: whoever reads it meanwhile sees the old one or the new one. */
function writeWhole(file: string, content: string | Buffer, mode: number): void {
  let target = file;
  try {
    // Behind a link, the file that it names is replaced, not the link.
    target = realpathSync(file);
  } catch {
    // A new file.
  }
  const temporary = `${target}.ambit-${process.pid}`;
  try {
    const descriptor = openSync(temporary, 'wx', mode & 0o777);
    const bytes = Buffer.from(content);
    for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at);
    fsyncSync(descriptor);
    closeSync(descriptor);
    chmodSync(temporary, mode & 0o777);
    renameSync(temporary, target);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw usage(file, `it cannot be written (${codeOf(error)})`);
  }
}

function readBackup(file: string): Backup | undefined {
  try {
    return JSON.parse(readFileSync(backupOf(file), 'utf8')) as Backup;
  } catch {
    return undefined;
  }
}

function backupOf(file: string): string {
  return `${file}.ambit-backup`;
}

function sha256(content: string | Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}

function usage(file: string, problem: string): CliError {
  return new CliError(`${file}: ${problem}`, exitCodes.usage);
}
