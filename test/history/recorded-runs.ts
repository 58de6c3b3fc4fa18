import type { ProofChild } from '../proof/proof-processes.js';
import { outputOf, type SessionInput, type SessionOperation } from './session-model.js';

/** A line of the scenario `record`: a call was asked, or answered. */
interface Line {
  readonly id: number;
  readonly session?: number;
  readonly input?: SessionInput;
  readonly startedAt?: number;
  readonly answer?: unknown;
  readonly endedAt?: number;
}

/**
 * The histories of the sessions of a run, one for each, from what its processes said. What was asked and not answered
 * may have happened or not.
 */
export async function historiesOf(
  children: readonly ProofChild[],
  sessions: number,
): Promise<SessionOperation[][]> {
  const histories = Array.from({ length: sessions }, (): SessionOperation[] => []);
  for (const lines of await Promise.all(children.map((child) => child.rest()))) {
    const asked = new Map<number, Line>();
    for (const line of lines as Line[]) {
      if (line.answer === undefined) asked.set(line.id, line);
      else {
        note(histories, asked.get(line.id), line);
        asked.delete(line.id);
      }
    }
    for (const line of asked.values()) note(histories, line, undefined);
  }
  return histories;
}

function note(histories: SessionOperation[][], asked: Line | undefined, answered: Line | undefined): void {
  if (asked?.input === undefined || asked.startedAt === undefined)
    throw new Error('answered, and never asked');
  const history = histories[asked.session ?? 0];
  const output = answered ? outputOf(answered.answer) : 'unknown';
  // What did not happen is no part of the history; if it did after all, the counts of the others will not fit.
  if (output === 'none') return;
  const { input, startedAt } = asked;
  history?.push(
    output === 'unknown'
      ? { input, startedAt, endedAt: Number.POSITIVE_INFINITY }
      : { input, output, startedAt, endedAt: answered?.endedAt ?? Number.POSITIVE_INFINITY },
  );
}
