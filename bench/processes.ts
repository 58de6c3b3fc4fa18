import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { openAmbit } from '../dist/index.js';
import { createSessions } from './contenders.js';

export interface HotRun {
  readonly processes: number;
  readonly callers: number;
  readonly seconds: number;
  readonly perSecond: number;
  readonly worstWaitMs: number;
  /** The largest share of the calls against the smallest. */
  readonly shareRatio: number;
  /** Calls granted minus calls stored: anything but 0 is a bug. */
  readonly miscounted: number;
}

/** Several processes, each with so many callers, on one session of one store. */
export async function hotRun(
  storage: string,
  processes: number,
  callers: number,
  seconds: number,
): Promise<HotRun> {
  const ambit = await openAmbit({ storage, sweepEveryMs: false });
  const [sessionId = ''] = await createSessions(ambit, 1);
  const script = fileURLToPath(new URL('hot-process.ts', import.meta.url));
  const children = Array.from({ length: processes }, () => {
    const child = spawn(
      process.execPath,
      ['--import', 'tsx', script, storage, sessionId, String(callers), String(seconds)],
      {
        stdio: ['pipe', 'pipe', 'inherit'],
      },
    );
    return { child, lines: createInterface({ input: child.stdout })[Symbol.asyncIterator]() };
  });
  for (const { lines } of children) await lines.next();
  for (const { child } of children) child.stdin.write('go\n');
  const results: { granted: number; refused: number; worstMs: number }[] = [];
  for (const { lines } of children) {
    const { value } = await lines.next();
    results.push(JSON.parse(String(value)) as { granted: number; refused: number; worstMs: number });
  }
  const stored = await ambit.tasks.get(sessionId);
  await ambit.close();
  const shares = results.map((one) => one.granted);
  const granted = shares.reduce((total, share) => total + share, 0);
  return {
    processes,
    callers,
    seconds,
    perSecond: Math.round(granted / seconds),
    worstWaitMs: Math.round(Math.max(...results.map((one) => one.worstMs))),
    shareRatio: Math.max(...shares) / Math.max(1, Math.min(...shares)),
    miscounted: granted - (stored.ok ? stored.session.callsMade : Number.NaN),
  };
}
