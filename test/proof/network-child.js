/**
 * One of several processes on a store that they share: `network-child.js SCENARIO OPTIONS`, where OPTIONS is JSON. It runs
 * the built package, as a user's program would. It says `ready`, begins when a line comes on its standard input, and
 * writes one line of JSON for each thing that happens.
 */
import { createInterface } from 'node:readline';
import { writeSync } from 'node:fs';

/** Not known to the type checker by its path, since dist/ is not there before the first build. */
const built = new URL('../../dist/index.js', import.meta.url).href;
/** @type {typeof import('ambit')} */
const { openAmbit } = await import(built);

const [, , scenario = '', given = '{}'] = process.argv;
const options = JSON.parse(given);

/**
 * Written at once: a process that is killed next has said it.
 * @param {unknown} line
 */
function say(line) {
  let text = `${JSON.stringify(line)}\n`;
  while (text !== '') {
    try {
      text = text.slice(writeSync(1, text));
    } catch (error) {
      // The pipe is full, and whoever reads it will empty it.
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'EAGAIN') throw error;
    }
  }
}

async function begin() {
  say('ready');
  const lines = createInterface({ input: process.stdin });
  await new Promise((resolve) => lines.once('line', resolve));
  lines.close();
  process.stdin.destroy();
}

/** @type {Record<string, number>} */
const counts = {};
/** @param {string} what */
function count(what) {
  counts[what] = (counts[what] ?? 0) + 1;
}

const { tasks, close } = await openAmbit({
  storage: options.storage,
  sweepEveryMs: false,
  tasks: { sessionsPerAgentMax: options.sessionsPerAgentMax ?? 1_000 },
});
/** @param {string} agentId */
const termsFor = (agentId) => ({ agentId, declaredIntent: 'a test', authorizedTools: ['read_file'] });

/**
 * Works off a list, so many at a time, in order.
 * @template T
 * @param {readonly T[]} items
 * @param {number} inFlight
 * @param {(item: T) => Promise<void>} work
 */
async function workOff(items, inFlight, work) {
  let next = 0;
  const worker = async () => {
    for (let at = next++; at < items.length; at = next++) await work(/** @type {T} */ (items[at]));
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
}

/** @type {Record<string, () => Promise<void>>} */
const scenarios = {
  /** Makes `calls` calls on one session, and says what was left after each that was granted. */
  async calls() {
    /** @type {number[]} */
    const left = [];
    await workOff(Array(options.calls).fill(0), options.inFlight, async () => {
      const answer = await tasks.use(options.sessionId, 'read_file');
      if (answer.ok) left.push(answer.remaining.calls);
      else count(answer.refusal.code);
    });
    say({ left, counts });
  },

  /** Asks for `creates` sessions of one agent, all at once. */
  async creates() {
    const asked = Array.from({ length: options.creates }, () => tasks.create(termsFor(options.agentId)));
    for (const answer of await Promise.all(asked)) count(answer.ok ? 'ok' : answer.refusal.code);
    say(counts);
  },

  /** Creates sessions of one agent one after the other until that is refused, and says each. */
  async createUntilRefused() {
    for (let created = 0; created < options.creates; created++) {
      const answer = await tasks.create(termsFor(options.agentId));
      say(answer.ok ? { sessionId: answer.session.sessionId } : { code: answer.refusal.code });
      if (!answer.ok) break;
    }
  },

  /** For each of `rounds` callIds, a call on each of these sessions at once, in their order. */
  async sameCallIds() {
    await workOff(
      Array.from({ length: options.rounds }, (_, round) => `call-${round}`),
      options.inFlight,
      async (callId) => {
        const asked = options.sessionIds.map((/** @type {string} */ sessionId) =>
          tasks.use(sessionId, 'read_file', { callId }),
        );
        for (const answer of await Promise.all(asked))
          count(answer.ok ? (answer.replayed ? 'replayed' : 'charged') : answer.refusal.code);
      },
    );
    say(counts);
  },

  /** Opens `names` sessions by name for each of these agents at once, in their order; says who has which id. */
  async sameNames() {
    /** @type {Record<string, string>} */
    const ids = {};
    await workOff(
      Array.from({ length: options.names }, (_, index) => `task-${index}`),
      options.inFlight,
      async (taskName) => {
        await Promise.all(
          options.agentIds.map(async (/** @type {string} */ agentId) => {
            const answer = await tasks.openByName({ ...termsFor(agentId), taskName });
            if (answer.ok) ids[`${agentId} ${taskName}`] = answer.session.sessionId;
            count(answer.ok ? (answer.created ? 'created' : 'joined') : answer.refusal.code);
          }),
        );
      },
    );
    say({ ids, counts });
  },

  /** Makes calls under a `callId` of its own until the budget is gone; says each before it is made and once it is answered. */
  async worker() {
    let next = 0;
    const caller = async () => {
      for (;;) {
        const callId = `${process.pid}.${next++}`;
        say({ attempted: callId });
        const answer = await tasks.use(options.sessionId, 'read_file', { callId });
        if (answer.ok) say({ acknowledged: callId });
        else say({ refused: callId, code: answer.refusal.code });
        if (!answer.ok && answer.refusal.code === 'BUDGET_EXCEEDED') return;
      }
    };
    await Promise.all(Array.from({ length: options.inFlight }, caller));
  },
};

const run = scenarios[scenario];
if (!run) throw new Error(`no scenario ${scenario}`);
await begin();
await run();
await close();
