import { CliError, exitCodes } from './exit-codes.js';
import { closeSync, openSync, writeSync } from 'node:fs';
import { codeOf } from './session-file.js';
import type { LeashDecision } from '../mcp/leash.js';
import type { TaskSession } from '../tasks/task-types.js';

/** One JSON line a decision: when, who, which tool, what was decided, what is left. Never an argument of a call. */
export interface DecisionLog {
  write(decision: LeashDecision): void;
  close(): void;
}

/**
 * Appends to a file that only its owner can read. A line that cannot be written is reported and the run goes on: the
 * count is in the store, and an audit that is full must not stop the work.
 */
export function openDecisionLog(
  file: string,
  session: TaskSession,
  notice: (text: string) => void,
): DecisionLog {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'a', 0o600);
  } catch (error) {
    throw new CliError(`--log ${file}: it cannot be written (${codeOf(error)})`, exitCodes.usage);
  }
  const { sessionId, agentId } = session;
  let failed = false;
  /** The last line was cut short: the next one must not be read as the rest of it. */
  let torn = false;
  return {
    write(decision) {
      const line = `${torn ? '\n' : ''}${JSON.stringify({ ...decision, agentId, sessionId })}\n`;
      let rest = Buffer.from(line);
      try {
        while (rest.length > 0) {
          const written = writeSync(descriptor, rest);
          // A disk that fills up takes the beginning of a line, and refuses the rest.
          torn ||= written < rest.length;
          rest = rest.subarray(written);
        }
        failed = false;
        torn = false;
      } catch (error) {
        if (!failed) notice(`--log ${file}: a decision could not be written (${codeOf(error)})`);
        failed = true;
      }
    },
    close: () => closeSync(descriptor),
  };
}
