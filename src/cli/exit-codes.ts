import type { RefusalCode } from '../core/refusals.js';

/** What `ambit` itself exits with; `ambit run` else passes on what COMMAND exited with. After sysexits.h. */
export const exitCodes = {
  /** The command line was wrong, or something it names. */
  usage: 64,
  /** The store could not be opened, or did not answer. */
  store: 69,
  /** Something else broke: stdout cannot be written, or a bug. */
  failed: 70,
  /** The session is closed, expired, or there is none for this token or id. */
  over: 77,
  /** The task exists with other limits than were given. */
  limitsDiffer: 78,
  /** What was asked for was refused. */
  refused: 1,
} as const;

/** The exit code that says the same as a refusal. */
export function exitCodeOf(code: RefusalCode): number {
  switch (code) {
    case 'STORAGE_UNAVAILABLE':
      return exitCodes.store;
    case 'SESSION_CLOSED':
    case 'SESSION_EXPIRED':
    case 'SESSION_NOT_FOUND':
      return exitCodes.over;
    case 'INVALID_INPUT':
      return exitCodes.usage;
    default:
      return exitCodes.refused;
  }
}

/** Ends the program with one line on stderr. */
export class CliError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number, options?: ErrorOptions) {
    super(message, options);
    this.name = 'CliError';
    this.exitCode = exitCode;
  }
}
