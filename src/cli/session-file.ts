import { CliError, exitCodes } from './exit-codes.js';
import { closeSync, fchmodSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';

/** The token in a file, else in `AMBIT_SESSION`, else none. */
export function readToken(file: string | undefined): string | undefined {
  if (file === undefined) return process.env.AMBIT_SESSION || undefined;
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new CliError(`--session-file ${file}: it cannot be read (${codeOf(error)})`, exitCodes.usage);
  }
  if (token === '') throw new CliError(`--session-file ${file}: it holds no token`, exitCodes.usage);
  return token;
}

/** A new file for one token. */
export interface TokenFile {
  write(token: string): void;
  /** Nothing came of it: the next try finds no empty file in its way. */
  discard(): void;
}

/** Opens a new file that only its owner can read; refuses to replace one, which may hold the token of another session. */
export function createTokenFile(file: string): TokenFile {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'wx', 0o600);
  } catch (error) {
    const why =
      codeOf(error) === 'EEXIST'
        ? 'it exists; remove it or name another'
        : `it cannot be created (${codeOf(error)})`;
    throw new CliError(`--session-file ${file}: ${why}`, exitCodes.usage);
  }
  return {
    write(token) {
      fchmodSync(descriptor, 0o600);
      writeSync(descriptor, `${token}\n`);
      closeSync(descriptor);
    },
    discard() {
      closeSync(descriptor);
      rmSync(file, { force: true });
    },
  };
}

export function codeOf(error: unknown): string {
  return String((error as { code?: unknown }).code ?? error);
}
