/** One of several processes on one store; its only argument is a plan in JSON. It begins when its stdin says so. */
import { readFileSync } from 'node:fs';
import { openAmbit } from '../dist/index.js';
import { rlfPostgres } from './server-contenders.js';

export interface ProcessPlan {
  readonly subject: 'Ambit' | 'RLF PostgreSQL';
  readonly url: string;
  /** A file with the ids of sessions, a JSON array. */
  readonly sessions: string;
  /** `hot`: all on the first, and when that is used up on the next; `spread`: over all of them. */
  readonly load: 'hot' | 'spread';
  readonly callers: number;
  readonly seconds: number;
}

export interface ProcessResult {
  readonly granted: number;
  readonly worstMs: number;
}

const plan = JSON.parse(process.argv[2] ?? '{}') as ProcessPlan;
const ids = JSON.parse(readFileSync(plan.sessions, 'utf8')) as string[];
const { call, close } = await (plan.subject === 'Ambit' ? ambit() : rlf());
process.stdout.write('ready\n');
await new Promise((resolve) => process.stdin.once('data', resolve));

const endMs = performance.now() + plan.seconds * 1_000;
let granted = 0;
let worstMs = 0;
await Promise.all(
  Array.from({ length: plan.callers }, async (_, caller) => {
    for (let turn = 0; performance.now() < endMs; turn++) {
      const startMs = performance.now();
      if (await call(caller, turn)) granted++;
      worstMs = Math.max(worstMs, performance.now() - startMs);
    }
  }),
);
await close();
const result: ProcessResult = { granted, worstMs };
process.stdout.write(`${JSON.stringify(result)}\n`);
process.exit(0);

interface Subject {
  call(caller: number, turn: number): Promise<boolean>;
  close(): Promise<unknown>;
}

async function ambit(): Promise<Subject> {
  const { tasks, close: closeAmbit } = await openAmbit({
    storage: plan.url,
    sweepEveryMs: false,
    // What the store gives is said in the row.
    durability: 'none',
  });
  let hot = 0;
  const offset = process.pid % ids.length;
  return {
    async call(caller, turn) {
      const at = plan.load === 'hot' ? hot : (offset + caller * 137 + turn) % ids.length;
      const answer = await tasks.use(ids[at] ?? '', 'read_file');
      if (answer.ok) return true;
      if (answer.refusal.code !== 'BUDGET_EXCEEDED') throw new Error(answer.refusal.message);
      // A million calls are used up: everybody moves on to the next.
      if (plan.load === 'hot' && hot === at && hot + 1 < ids.length) hot++;
      return false;
    },
    close: closeAmbit,
  };
}

async function rlf(): Promise<Subject> {
  const { work, close: closePool } = await rlfPostgres(plan.url, plan.load);
  return {
    async call(caller, turn) {
      await work(caller, turn);
      return true;
    },
    close: async () => closePool?.(),
  };
}
