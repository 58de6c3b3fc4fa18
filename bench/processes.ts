import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openAmbit } from '../dist/index.js';
import { createSessions } from './contenders.js';
import type { ProcessPlan, ProcessResult } from './one-process.js';

export interface ProcessRun {
  readonly processes: number;
  readonly callers: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly worstWaitMs: number;
  /** The largest share of the calls against the smallest. */
  readonly shareRatio: number;
  /** Calls granted minus calls stored: anything but 0 is a bug. Not known of a peer. */
  readonly miscounted: number;
}

/** Sessions that one hot session is followed by, and those of a spread load. A hot one is used up after a million calls. */
const sessionsOf = { hot: 8, spread: 2_000 } as const;

/** Several processes, each with so many callers, on the same sessions of one store. */
export async function processRun(
  folder: string,
  processes: number,
  plan: Omit<ProcessPlan, 'sessions'>,
): Promise<ProcessRun> {
  const ambit =
    plan.subject === 'Ambit'
      ? await openAmbit({
          storage: plan.url,
          sweepEveryMs: false,
          durability: 'none',
          tasks: { sessionsPerAgentMax: 1_000 },
        })
      : undefined;
  const ids = ambit ? await createSessions(ambit, sessionsOf[plan.load]) : [];
  const sessions = join(folder, 'sessions.json');
  writeFileSync(sessions, JSON.stringify(ids));
  const results = await together(processes, { ...plan, sessions });
  let stored = 0;
  for (const id of ids) {
    const found = await ambit?.tasks.get(id);
    stored += found?.ok ? found.session.callsMade : Number.NaN;
  }
  await ambit?.close();
  const shares = results.map((one) => one.granted);
  const granted = shares.reduce((total, share) => total + share, 0);
  return {
    processes,
    callers: plan.callers,
    seconds: plan.seconds,
    perSecond: Math.round(granted / plan.seconds),
    worstWaitMs: Math.round(Math.max(...results.map((one) => one.worstMs))),
    shareRatio: Math.max(...shares) / Math.max(1, Math.min(...shares)),
    miscounted: ambit ? granted - stored : 0,
  };
}

/** Starts processes, lets them begin together once all of them are ready, and answers what each counted. */
async function together(processes: number, plan: ProcessPlan): Promise<ProcessResult[]> {
  const script = fileURLToPath(new URL('one-process.ts', import.meta.url));
  const children = Array.from({ length: processes }, () => {
    const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(plan)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
  });
  for (const { lines } of children) await lines.next();
  for (const { child } of children) child.stdin.write('go\n');
  const results: ProcessResult[] = [];
  for (const { lines } of children) {
    const { value, done } = await lines.next();
    if (done) throw new Error('a process ended without a result');
    results.push(JSON.parse(value) as ProcessResult);
  }
  return results;
}
