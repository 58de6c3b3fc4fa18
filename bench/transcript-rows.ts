import {
  type Checkpoint,
  type CheckpointMetadata,
  emptyCheckpoint,
  uuid6,
} from '@langchain/langgraph-checkpoint';
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { keep, note } from './report.js';
import { dirname, join } from 'node:path';
import { SqliteSaver } from '@langchain/langgraph-checkpoint-sqlite';
import { durableDatabase } from './contenders.js';
import { median } from './measure.js';
import { openAmbit } from '../dist/index.js';
import { scale } from './scale.js';

interface Message {
  readonly role: 'user' | 'assistant';
  readonly content: string;
}

/** A way of keeping conversations: all of them are given the same messages, and lose none when the power fails. */
interface Keeper {
  readonly name: string;
  /** Puts a conversation there that is `turns` long; its cost is not measured. */
  readonly prepare: (id: string, turns: number) => unknown;
  readonly append: (id: string, turn: readonly Message[]) => unknown;
  /** How many messages the whole conversation has, having read them all. */
  readonly load: (id: string) => Promise<number> | number;
  readonly close: () => unknown;
}

/** How long conversations are, and how many of each length: few turns are added to a short one, so that it stays short. */
const sizes = [
  { turns: 10, conversations: 20, appends: 20, loads: 20 },
  { turns: 1_000, conversations: 4, appends: 20, loads: 5 },
  { turns: 10_000, conversations: 1, appends: 8, loads: 1 },
].filter(({ turns }) => turns <= scale.turnsMax);

/** Turns of one append while a conversation is prepared. */
const preparedTurns = 250;

/** Appends to and loads of a conversation, by its length, against a file that is rewritten and LangGraph's saver. */
export function transcriptRows(folder: string, newPath: () => string): Record<string, () => Promise<void>> {
  return {
    async transcripts() {
      const keepers = [
        await ambitKeeper('Ambit SQLite fast', `sqlite:${newPath()}?eventLoop=fast`),
        await ambitKeeper('Ambit file', `file:${join(folder, 'transcripts-store')}`),
        rewrittenFiles(join(folder, 'transcripts-rewritten')),
        langgraphSaver(newPath()),
      ];
      try {
        await noteKeepers(keepers);
      } finally {
        for (const keeper of keepers) await keeper.close();
      }
    },
  };
}

async function noteKeepers(keepers: readonly Keeper[]): Promise<void> {
  for (const { turns, conversations } of sizes) {
    for (const keeper of keepers) {
      for (let n = 0; n < conversations; n++) {
        await keeper.prepare(idOf(turns, n), turns);
        await keeper.append(idOf(turns, n), turnOf(turns));
      }
    }
  }
  const spent = await takeTurns(keepers);
  keep('transcripts', spent);
  for (const work of ['append', 'load'] as const) for (const { turns } of sizes) noteWork(spent, work, turns);
  for (const name of keepers.map((keeper) => keeper.name)) noteGrowth(spent, name);
}

/** Milliseconds of one append and of one load, round by round. */
type Spent = Record<'append' | 'load', Record<string, Record<number, number[]>>>;

/**
 * Lengths are interleaved as the keepers are: one length is compared with another, too. The order changes from round to round,
 * and each stretch begins with an append that is not measured: the disk is still at what the one before it has written.
 */
async function takeTurns(keepers: readonly Keeper[]): Promise<Spent> {
  const spent: Spent = { append: {}, load: {} };
  const counts = new Map<string, number>();
  for (let round = 0; round < scale.transcriptRounds; round++) {
    const first = round % keepers.length;
    const inTurn = [...keepers.slice(first), ...keepers.slice(0, first)];
    for (const { turns, conversations, appends, loads } of round % 2 === 0 ? sizes : [...sizes].reverse()) {
      for (const keeper of inTurn) {
        const append = (n: number): unknown => {
          const id = idOf(turns, n % conversations);
          const place = `${keeper.name} ${id}`;
          const had = counts.get(place) ?? turns + 1;
          counts.set(place, had + 1);
          return keeper.append(id, turnOf(had));
        };
        await append(round);
        const appendedMs = await timed(appends, append);
        const loadedMs = await timed(loads, async (n) => {
          const id = idOf(turns, n % conversations);
          const messages = await keeper.load(id);
          const expected = 2 * (counts.get(`${keeper.name} ${id}`) ?? turns + 1);
          if (messages !== expected)
            throw new Error(`${keeper.name} loads ${messages} messages of ${expected}`);
        });
        for (const [work, ms] of [['append', appendedMs] as const, ['load', loadedMs] as const])
          ((spent[work][keeper.name] ??= {})[turns] ??= []).push(ms);
      }
    }
  }
  return spent;
}

async function timed(times: number, work: (n: number) => unknown): Promise<number> {
  const startMs = performance.now();
  for (let n = 0; n < times; n++) await work(n);
  return (performance.now() - startMs) / times;
}

/** A line for each of Ambit's backends; ratios are medians of the ratios within a round. */
function noteWork(spent: Spent, work: 'append' | 'load', turns: number): void {
  const all = Object.entries(spent[work]).map(([name, bySize]) => ({ name, ms: bySize[turns] ?? [] }));
  const figures = all
    .map(({ name, ms }) => {
      const oneMs = median(ms);
      return work === 'append'
        ? `${name} ${Math.round(1_000 / oneMs).toLocaleString('en')}/s`
        : `${name} ${oneMs.toFixed(2)} ms`;
    })
    .join(', ');
  const isPeer = ({ name }: { name: string }): boolean => !name.startsWith('Ambit');
  for (const ours of all.filter((one) => !isPeer(one))) {
    const ratios = all.filter(isPeer).map((peer) => {
      const ratio = median(peer.ms.map((ms, round) => ms / (ours.ms[round] ?? Number.NaN)));
      return `${ratio.toFixed(2)}x the speed of ${peer.name}`;
    });
    note({
      row: `transcripts, ${work} at ${turns.toLocaleString('en')} turns, one caller: ${ours.name}`,
      figures,
      ratio: ratios.join(', '),
      target: 'none',
      reached: true,
    });
  }
}

/** Whether an append costs what it adds, or what is there. The peers are only there to be seen beside it. */
function noteGrowth(spent: Spent, name: string): void {
  const [smallest, largest] = [sizes[0]?.turns ?? 0, sizes.at(-1)?.turns ?? 0];
  const small = spent.append[name]?.[smallest] ?? [];
  const large = spent.append[name]?.[largest] ?? [];
  const ratio = median(large.map((ms, round) => ms / (small[round] ?? Number.NaN)));
  const isOurs = name.startsWith('Ambit');
  note({
    row: `transcripts, an append at ${largest.toLocaleString('en')} turns against one at ${smallest}: ${name}`,
    figures: `${median(small).toFixed(3)} ms at ${smallest}, ${median(large).toFixed(3)} ms at ${largest.toLocaleString('en')}`,
    ratio: `${ratio.toFixed(2)}x the cost`,
    target: isOurs ? 'at most 1.3x' : 'none',
    reached: !isOurs || ratio <= 1.3,
  });
}

async function ambitKeeper(name: string, storage: string): Promise<Keeper> {
  const ambit = await openAmbit({ storage, sweepEveryMs: false });
  const append = async (id: string, messages: readonly Message[]): Promise<void> => {
    const done = await ambit.transcripts.append(
      id,
      messages.map((message) => ({ type: 'message', message: { ...message } })),
      { create: { agentId: 'bench' } },
    );
    if (!done.ok) throw new Error(done.refusal.message);
  };
  return {
    name,
    append,
    async prepare(id, turns) {
      // Within what one append takes.
      for (let turn = 0; turn < turns; turn += preparedTurns)
        await append(id, messagesOf(turn, Math.min(turn + preparedTurns, turns)));
    },
    async load(id) {
      const answer = await ambit.transcripts.load(id);
      if (!answer.ok) throw new Error(answer.refusal.message);
      return answer.transcript.entries.filter((entry) => entry.type === 'message').length;
    },
    close: () => ambit.close(),
  };
}

/**
 * What phi-core (https://github.com/LazyBouy/phi-core) does with a session: one JSON file, written anew beside the old one,
 * flushed and renamed. Its lock is left out, and the session is in memory already; the flush of the folder is added, without
 * which a power failure may undo the rename.
 */
function rewrittenFiles(folder: string): Keeper {
  mkdirSync(folder);
  const sessions = new Map<
    string,
    { session_id: string; loops: { loop_id: string; messages: Message[] }[] }
  >();
  const write = (id: string, messages: readonly Message[]): void => {
    const session = sessions.get(id) ?? { session_id: id, loops: [{ loop_id: 'first', messages: [] }] };
    sessions.set(id, session);
    for (const message of messages) session.loops[0]?.messages.push(message);
    const path = join(folder, `${id}.json`);
    const file = openSync(`${path}.tmp`, 'w');
    const bytes = Buffer.from(JSON.stringify(session));
    for (let from = 0; from < bytes.length;) from += writeSync(file, bytes, from);
    fsyncSync(file);
    closeSync(file);
    renameSync(`${path}.tmp`, path);
    const within = openSync(dirname(path), 'r');
    fsyncSync(within);
    closeSync(within);
  };
  return {
    name: 'JSON file rewritten',
    prepare: (id, turns) => write(id, messagesOf(0, turns)),
    append: write,
    load(id) {
      const read = JSON.parse(readFileSync(join(folder, `${id}.json`), 'utf8')) as {
        loops: { messages: Message[] }[];
      };
      return read.loops.reduce((sum, { messages }) => sum + messages.length, 0);
    },
    close: () => sessions.clear(),
  };
}

/**
 * LangGraph's SQLite saver. A turn is one `put` of the checkpoint that follows, with all messages in its channel, as this saver
 * keeps channels; the pending writes of a graph's steps, which cost it more commits, are left out. The conversation is prepared
 * as one checkpoint of its length, not as one for each turn that led there.
 */
function langgraphSaver(path: string): Keeper {
  const database = durableDatabase(path);
  const saver = new SqliteSaver(database);
  const messages = new Map<string, Message[]>();
  const parents = new Map<string, { configurable: Record<string, unknown> }>();
  const metadata: CheckpointMetadata = { source: 'loop', step: 0, parents: {} };
  const put = async (id: string, added: readonly Message[]): Promise<void> => {
    const all = messages.get(id) ?? [];
    messages.set(id, all);
    for (const message of added) all.push(message);
    const checkpoint: Checkpoint = {
      ...emptyCheckpoint(),
      id: uuid6(-1),
      channel_values: { messages: all },
      channel_versions: { messages: all.length },
    };
    const parent = parents.get(id) ?? { configurable: { thread_id: id, checkpoint_ns: '' } };
    parents.set(id, (await saver.put(parent, checkpoint, metadata)) as typeof parent);
    // It says WAL of its own; what is compared is what both sides flush.
    if (database.pragma('synchronous', { simple: true }) !== 2) throw new Error('synchronous is not FULL');
  };
  return {
    name: 'LangGraph SQLite saver',
    prepare: (id, turns) => put(id, messagesOf(0, turns)),
    append: put,
    async load(id) {
      const tuple = await saver.getTuple({ configurable: { thread_id: id } });
      return (tuple?.checkpoint.channel_values.messages as Message[] | undefined)?.length ?? 0;
    },
    close: () => database.close(),
  };
}

const idOf = (turns: number, n: number): string => `chat-${turns}-${n}`;

/** Some 200 characters each, and no two alike. */
function turnOf(turn: number): Message[] {
  const text = 'what people and models say to each other, as long as a short paragraph. '
    .repeat(3)
    .slice(0, 190);
  return [
    { role: 'user', content: `${turn} asked: ${text}` },
    { role: 'assistant', content: `${turn} told: ${text}` },
  ];
}

function messagesOf(from: number, to: number): Message[] {
  return Array.from({ length: to - from }, (_, n) => turnOf(from + n)).flat();
}
