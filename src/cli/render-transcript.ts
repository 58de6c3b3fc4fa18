import Table from 'cli-table3';
import type { Transcript, TranscriptEntry, TranscriptSession } from '../transcripts/transcript-types.js';

/** A table of conversations, in the order in which they come. */
export function transcriptTable(sessions: readonly TranscriptSession[]): string {
  if (sessions.length === 0) return 'no transcripts\n';
  const table = new Table({
    head: ['TRANSCRIPT', 'AGENT', 'LAST ACTIVE', 'LOOPS', 'TURNS', 'MESSAGES'],
    style: { head: [], border: [], compact: true },
  });
  for (const { sessionId, agentId, lastActiveAtMs, counts } of sessions) {
    table.push([
      printable(sessionId),
      printable(agentId),
      new Date(lastActiveAtMs).toISOString(),
      counts.loops,
      counts.turns,
      counts.messages,
    ]);
  }
  return `${table.toString()}\n`;
}

/** A conversation as one reads it: loops as headings, what was said under them. */
export function transcriptText({ session, loops, children, entries, damaged = [] }: Transcript): string {
  const lines = [
    `transcript  ${session.sessionId}`,
    `agent       ${session.agentId}`,
    `created     ${new Date(session.createdAtMs).toISOString()}`,
    `last active ${new Date(session.lastActiveAtMs).toISOString()}`,
    `usage       ${usageText(session.usage)}`,
    ...(session.parent ? [`parent      ${session.parent.sessionId}`] : []),
    ...children.map((child) => `sub-agent   ${child.sessionId}`),
  ];
  let loopId: string | undefined;
  for (const entry of entries) {
    if (entry.loopId !== loopId) {
      loopId = entry.loopId;
      const loop = loops.find((one) => one.loopId === loopId);
      const what = loop && !loop.damaged ? `${loop.kind}, ${loop.status}` : 'damaged loop';
      lines.push('', `== ${what} (${loopId})`);
    }
    lines.push(...entryLines(entry));
  }
  for (const { what, problem } of damaged) lines.push('', `!! ${what} ${problem}`);
  for (const { what, problem } of session.lost ?? [])
    lines.push('', `!! lost before it was copied: ${what} ${problem}`);
  return lines.map((line) => `${printable(line)}\n`).join('');
}

function entryLines(entry: TranscriptEntry): string[] {
  if (entry.type === 'turn' || entry.type === 'turn-update')
    return [
      `-- ${entry.type === 'turn' ? 'turn' : 'added to turn'} ${entry.turnId}${entry.usage ? ` (${usageText(entry.usage)})` : ''}`,
    ];
  if (entry.type === 'event') return [`.. ${contentText(entry.event)}`];
  if (entry.type === 'overlay')
    return [
      `~~ ${entry.reason}: instead of ${entry.from} to ${entry.to}, a model sees`,
      ...entry.messages.map((message) => `   ${contentText(message)}`),
    ];
  const { role, type, name, content } = entry.message;
  const who = [role, type, name].filter((one) => typeof one === 'string').join(' ') || 'message';
  const [first = '', ...rest] = contentText(content ?? entry.message).split('\n');
  return [`${who}: ${first}`, ...rest.map((line) => `    ${line}`)];
}

/** What was said: text, the texts of its parts, or else JSON. */
function contentText(content: unknown): string {
  if (typeof content === 'string') return content;
  if (Array.isArray(content)) return (content as readonly unknown[]).map(contentText).join('\n');
  const text =
    typeof content === 'object' && content !== null ? (content as { text?: unknown }).text : undefined;
  return typeof text === 'string' ? text : JSON.stringify(content);
}

const usageText = (usage: Readonly<Record<string, number>>): string =>
  Object.entries(usage)
    .map(([name, amount]) => `${name} ${amount}`)
    .join(', ') || '-';

/** A conversation holds what strangers wrote: it must not move the cursor of who reads it. */
function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu, (character) =>
    character === '\t' ? ' ' : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
  );
}
