import { formatDuration } from '../core/durations.js';
import Table from 'cli-table3';
import type { TaskSession } from '../tasks/task-types.js';

/** Writes JSON for programs: one document, with a line feed at its end. */
export function printJson(value: unknown): void {
  process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);
}

/** A table of sessions for people, newest first as they come. */
export function sessionTable(sessions: readonly TaskSession[], nowMs: number): string {
  if (sessions.length === 0) return 'no sessions\n';
  const table = new Table({
    head: ['SESSION', 'AGENT', 'TASK', 'STATUS', 'CALLS', 'TIME LEFT', 'TOOLS'],
    style: { head: [], border: [], compact: true },
  });
  for (const session of sessions) {
    table.push([
      session.sessionId,
      cut(session.agentId, 24),
      cut(session.taskName ?? '-', 24),
      session.status,
      `${session.callsMade}/${session.callBudget}`,
      session.status === 'active' ? formatDuration(session.expiresAtMs - nowMs) : '-',
      cut(session.authorizedTools.join(',') || 'none', 32),
    ]);
  }
  return `${table.toString()}\n`;
}

/** All that is known of one session, a line a field. */
export function sessionDetails(session: TaskSession, nowMs: number): string {
  const rate = session.rateLimit;
  const rows: [string, string][] = [
    ['session', session.sessionId],
    ['agent', session.agentId],
    ['task', session.taskName ?? '-'],
    ['intent', session.declaredIntent],
    ['status', session.status],
    ['calls', `${session.callsMade} of ${session.callBudget}`],
    ['time left', session.status === 'active' ? formatDuration(session.expiresAtMs - nowMs) : '-'],
    ['rate', rate ? `${rate.calls} per ${formatDuration(rate.perMs)} (${rate.algorithm})` : '-'],
    ['tools', session.authorizedTools.join(', ') || 'none'],
    ['credentials', session.authorizedCredentials.join(', ') || 'none'],
    ['ceiling', session.dataSensitivityCeiling],
    ['parents', session.delegationChain.join(' > ') || '-'],
    ['created', new Date(session.createdAtMs).toISOString()],
    ['expires', new Date(session.expiresAtMs).toISOString()],
  ];
  return rows.map(([name, value]) => `${name.padEnd(12)}${value}\n`).join('');
}

function cut(text: string, charsMax: number): string {
  return text.length > charsMax ? `${text.slice(0, charsMax - 1)}…` : text;
}
