/**
 * A process of its own, started by a proof: `proof-child.js SCENARIO OPTIONS`, where OPTIONS is JSON. It runs the built
 * package, as a user's program would. It says `ready`, begins when a line comes on its standard input, and writes one
 * line of JSON for each thing that happens.
 */
import { openSync, writeSync } from 'node:fs';
import { createInterface } from 'node:readline';

/** Not known to the type checker by its path, since dist/ is not there before the first build. */
const built = new URL('../../dist/index.js', import.meta.url).href;
/** @type {typeof import('ambit')} */
const { openAmbit } = await import(built);

const [, , scenario = '', given = '{}'] = process.argv;
const options = JSON.parse(given);
const log = options.log === undefined ? 1 : openSync(options.log, 'a', 0o600);

/**
 * Written at once: a process that is killed next has said it.
 * @param {unknown} line
 */
function say(line) {
  const bytes = Buffer.from(`${JSON.stringify(line)}\n`);
  for (let written = 0; written < bytes.length;) {
    try {
      written += writeSync(log, bytes, written);
    } catch (error) {
      // A full pipe: whoever started this reads on.
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EAGAIN') throw error;
    }
  }
}

/** What it is told to begin with is added to its options. */
async function begin() {
  say('ready');
  const lines = createInterface({ input: process.stdin });
  const told = await new Promise((resolve) => lines.once('line', resolve));
  lines.close();
  process.stdin.destroy();
  Object.assign(options, JSON.parse(told));
}

/**
 * Counts answers: those that were granted as `ok`, others by the code of their refusal.
 * @param {Record<string, number>} counts
 * @param {{ ok: true } | { ok: false, refusal: { code: string } }} answer
 */
function count(counts, answer) {
  const code = answer.ok ? 'ok' : answer.refusal.code;
  counts[code] = (counts[code] ?? 0) + 1;
}

/** @param {string} agentId */
const termsFor = (agentId) => ({ agentId, declaredIntent: 'a proof', authorizedTools: ['read_file'] });

/** @type {Record<string, () => Promise<void>>} */
const scenarios = {
  /** Makes `calls` calls on one session, `inFlight` at a time. */
  async use() {
    const { tasks, close } = await openAmbit({ storage: options.storage, sweepEveryMs: false });
    await begin();
    /** @type {Record<string, number>} */
    const counts = {};
    let left = options.calls;
    const caller = async () => {
      while (left-- > 0) count(counts, await tasks.use(options.sessionId, 'read_file'));
    };
    await Promise.all(Array.from({ length: options.inFlight }, caller));
    await close();
    say(counts);
  },

  /** Asks for `creates` sessions of one agent, all at once. */
  async create() {
    const { tasks, close } = await openAmbit({ storage: options.storage, sweepEveryMs: false });
    await begin();
    /** @type {Record<string, number>} */
    const counts = {};
    const asked = Array.from({ length: options.creates }, () => tasks.create(termsFor(options.agentId)));
    for (const answer of await Promise.all(asked)) count(counts, answer);
    await close();
    say(counts);
  },

  /** Creates sessions of one agent one after the other until that is refused, and says each. */
  async createUntilRefused() {
    const tasksSettings = { sessionsPerAgentMax: 1_000 };
    const { tasks, close } = await openAmbit({
      storage: options.storage,
      sweepEveryMs: false,
      tasks: tasksSettings,
    });
    await begin();
    for (let created = 0; created < options.creates; created++) {
      const answer = await tasks.create(termsFor(options.agentId));
      say(answer.ok ? { sessionId: answer.session.sessionId } : { code: answer.refusal.code });
      if (!answer.ok) break;
    }
    await close();
  },

  /**
   * Makes `calls` calls of every kind on some sessions, `inFlight` at a time, and says of each when it was asked and
   * when it was answered what, by the one monotonic clock of the machine. Kills itself in the middle where it is told to.
   */
  async record() {
    const { tasks, close } = await openAmbit({ storage: options.storage, sweepEveryMs: false });
    await begin();
    let asked = 0;
    const ask = async () => {
      const id = asked++;
      const session = Math.floor(Math.random() * options.sessionIds.length);
      const sessionId = options.sessionIds[session];
      const drawn = Math.random();
      const calls = drawn < 0.1 ? 3 : 1;
      // An id that others use as well: who comes second is answered as the first was.
      const callId = drawn > 0.75 && drawn < 0.9 ? `call-${Math.floor(Math.random() * 40)}` : undefined;
      // Closed only near the end: most calls are to find it open.
      const late = id > options.calls * 0.9;
      const kind = drawn < 0.9 ? 'use' : drawn < 0.985 ? 'get' : late ? 'close' : 'extend';
      const input = {
        kind,
        ...(kind === 'use' && { calls, callId }),
        ...(kind === 'extend' && { calls: 5 }),
      };
      say({ id, session, input, startedAt: Number(process.hrtime.bigint()) });
      if (id === options.diesAt) process.kill(process.pid, 'SIGKILL');
      const tools = Array(calls).fill('read_file');
      const answer = await {
        use: () => tasks.useBatch(sessionId, tools, callId === undefined ? {} : { callId }),
        get: () => tasks.get(sessionId),
        extend: () => tasks.extend(sessionId, { calls: 5 }),
        close: () => tasks.close(sessionId),
      }[kind]();
      say({ id, answer, endedAt: Number(process.hrtime.bigint()) });
    };
    const caller = async () => {
      while (asked < options.calls) await ask();
    };
    await Promise.all(Array.from({ length: options.inFlight }, caller));
    await close();
  },

  /**
   * Calls on some sessions for `forMs`, one call after the other in each of `inFlight` callers, and says of each when it
   * was asked and what was answered; `closing` is closed in the middle. With `creates` it makes a session of these terms
   * for itself, and goes on until it was told often enough that its time is over.
   */
  async watch() {
    const { tasks, close } = await openAmbit({ storage: options.storage, sweepEveryMs: false });
    await begin();
    if (options.creates) {
      const created = await tasks.create({ ...termsFor('agent'), callBudget: 1_000_000, ...options.creates });
      if (!created.ok) throw new Error(created.refusal.message);
      options.sessionIds = [created.session.sessionId];
      say(created.session);
    }
    const now = () => Number(process.hrtime.bigint()) / 1e6;
    const untilMs = now() + options.forMs;
    const pause = () => new Promise((resolve) => setTimeout(resolve, 1));
    let overs = options.creates ? 0 : Infinity;
    const caller = async () => {
      while (now() < untilMs || overs < 3 * options.inFlight) {
        const session = Math.floor(Math.random() * options.sessionIds.length);
        const startedAt = now();
        const answer = await tasks.use(options.sessionIds[session], 'read_file');
        const told = answer.ok ? { left: answer.remaining.calls } : { code: answer.refusal.code };
        if (told.code === 'SESSION_EXPIRED') overs++;
        say({ session, startedAt, endedAt: now(), ...told });
        await pause();
      }
    };
    const closer = async () => {
      while (now() < untilMs - options.forMs / 2) await pause();
      const startedAt = now();
      const answer = await tasks.close(options.sessionIds[options.closing]);
      say({ closed: answer.ok, startedAt, endedAt: now() });
    };
    await Promise.all([
      ...Array.from({ length: options.inFlight }, caller),
      ...(options.closing === undefined ? [] : [closer()]),
    ]);
    await close();
  },

  /**
   * Opens the store (which may be new), creates a session and uses it in `rounds` rounds of `inFlight` calls, then
   * closes. Every attempt is said before it is made, every answer as soon as it is there.
   */
  async crash() {
    say({ step: 'opening' });
    const { tasks, close } = await openAmbit({ storage: options.storage, sweepEveryMs: false });
    say({ step: 'creating' });
    const created = await tasks.create({ ...termsFor('agent'), callBudget: 1_000_000 });
    if (!created.ok) throw new Error(created.refusal.message);
    const { sessionId } = created.session;
    say({ sessionId });
    for (let round = 0; round < options.rounds; round++) {
      const calls = Array.from({ length: options.inFlight }, async (_, index) => {
        const callId = `${round}.${index}`;
        say({ attempted: callId });
        const answer = await tasks.use(sessionId, 'read_file', { callId });
        if (answer.ok) say({ acknowledged: callId });
        else say({ refused: callId, code: answer.refusal.code, outcome: answer.refusal.outcome });
      });
      await Promise.all(calls);
    }
    say({ step: 'closing' });
    await close();
    say({ step: 'closed' });
  },
};

const run = scenarios[scenario];
if (!run) throw new Error(`no scenario ${scenario}`);
await run();
