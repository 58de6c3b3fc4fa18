import { codeOf, granted } from '../core/answers.js';
import { openTranscriptWorld, said, type TranscriptWorld } from './transcript-world.js';
import { expect, test } from 'vitest';
import { memoryBackend, sqliteFastBackend } from '../storage/backends.js';
import { canonicalText } from '../../src/transcripts/json-rules.js';
import fc from 'fast-check';
import type { Json } from '../../src/core/json.js';
import type { NewTranscriptEntry } from '../../src/transcripts/transcript-input-types.js';
import type { Transcript } from '../../src/transcripts/transcript-types.js';

/** A step of a random conversation; numbers choose among what there is by then. */
type Step =
  | { readonly do: 'append'; readonly entries: readonly Plan[]; readonly operationId?: string }
  | { readonly do: 'compact'; readonly keepTurns: number }
  | { readonly do: 'child'; readonly loop: number; readonly toolCallId?: string };

interface Plan {
  readonly is: 'loop' | 'loop-update' | 'turn' | 'turn-update' | 'message' | 'event' | 'overlay';
  readonly choice: number;
  readonly other: number;
  readonly named: boolean;
  readonly fields: Readonly<Record<string, unknown>>;
  readonly usage?: Readonly<Record<string, number>>;
  readonly more: Readonly<Record<string, unknown>>;
}

/** Fields that Ambit does not know, some of which JavaScript does. */
const unknownFields = fc
  .array(
    fc.tuple(
      fc.constantFrom('own', 'x y', 'constructor', '__proto__', 'schema2', 'damaged', 'ü'),
      fc.jsonValue({ maxDepth: 2 }),
    ),
    { maxLength: 2 },
  )
  .map((fields) => Object.fromEntries(fields));
const usage = fc.dictionary(fc.constantFrom('inputTokens', 'outputTokens', 'toString'), fc.nat(2 ** 41), {
  maxKeys: 2,
});
const optional = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });
const text = fc.oneof(
  { weight: 60, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
  { weight: 1, arbitrary: fc.constant('large '.repeat(140_000)) },
);

const plan: fc.Arbitrary<Plan> = fc
  .record({
    is: fc.constantFrom(
      ...([
        'loop',
        'loop',
        'loop',
        'loop-update',
        'turn',
        'turn-update',
        'message',
        'message',
        'event',
        'overlay',
      ] as const),
    ),
    choice: fc.nat(999),
    other: fc.nat(999),
    named: fc.boolean(),
    fields: fc.record(
      {
        kind: fc.constantFrom('continuation', 'branch', 'rerun', 'compaction', 'initial'),
        groupId: fc.constantFrom('g', 'h'),
        status: fc.constantFrom('pending', 'running', 'completed', 'rejected', 'aborted'),
        config: unknownFields,
        metadata: unknownFields,
        atMs: fc.nat(3),
        text,
      },
      { requiredKeys: ['text'] },
    ),
    usage: optional(usage),
    more: unknownFields,
  })
  .map(({ usage: used, ...others }) => ({ ...others, ...(used && { usage: used }) }));

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record(
      {
        do: fc.constant('append' as const),
        entries: fc.array(plan, { minLength: 1, maxLength: 6 }),
        operationId: fc.uuid(),
      },
      { requiredKeys: ['do', 'entries'] },
    ),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('compact' as const), keepTurns: fc.nat(2) }) },
  {
    weight: 1,
    arbitrary: fc.record(
      { do: fc.constant('child' as const), loop: fc.nat(999), toolCallId: fc.constant('call') },
      { requiredKeys: ['do', 'loop'] },
    ),
  },
);

/** Makes real calls of plans: each names loops, turns and positions that are there. */
function writer(world: TranscriptWorld) {
  const loops: string[] = [];
  const inGroup: string[] = [];
  const turns: string[] = [];
  let position = 0;
  const any = (names: readonly string[], choice: number) => names[choice % names.length];

  function entryOf({
    is,
    choice,
    other,
    named,
    fields,
    usage: used,
    more,
  }: Plan): NewTranscriptEntry | undefined {
    const { text: content, kind, groupId, status, config, metadata, atMs } = fields;
    const loopId = named ? any(loops, choice) : undefined;
    const place = {
      ...more,
      ...(loopId !== undefined && { loopId }),
      ...(atMs !== undefined && { atMs }),
      ...(used && { usage: used }),
    };
    if (is === 'loop') {
      const isRoot = loops.length === 0 || kind === 'initial';
      const entry = {
        ...place,
        ...(kind !== undefined && { kind: isRoot ? 'initial' : kind }),
        ...(isRoot ? { kind: 'initial' } : loopId !== undefined && { parentLoopId: loopId }),
        ...(groupId !== undefined && { groupId }),
        ...(status !== undefined && { status }),
        ...(config !== undefined && { config }),
        ...(metadata !== undefined && { metadata }),
        ...(other % 3 === 0 && { branchesAt: other % (position + 2) }),
        type: 'loop',
        // Neither in the order of their making nor against it.
        loopId: `${(loops.length * 7 + 3) % 10}-${loops.length}`,
      };
      loops.push(entry.loopId);
      if (groupId !== undefined) inGroup.push(entry.loopId);
      return entry as NewTranscriptEntry;
    }
    if (is === 'loop-update') {
      const chosen = any(inGroup, choice);
      if (loops.length === 0) return undefined;
      return {
        type: 'loop-update',
        ...(loopId !== undefined && { loopId }),
        ...(used && { usage: used }),
        ...(status !== undefined && { status }),
        ...(metadata !== undefined && { metadata }),
        ...(chosen !== undefined && { loopId: chosen, selected: true }),
      } as NewTranscriptEntry;
    }
    if (is === 'turn-update' && turns.length === 0) return undefined;
    if (is === 'overlay' && position === 0) return undefined;
    const from = position === 0 ? 0 : other % position;
    const own = {
      turn: { turnId: `turn ${turns.length}`, trigger: 'user', input: content },
      'turn-update': { turnId: any(turns, choice), output: content },
      message: { message: { role: 'user', content } },
      event: { event: { text: content } },
      overlay: { reason: 'pop', from, to: from, messages: [{ role: 'system', content }] },
    }[is];
    if (is === 'turn') turns.push(`turn ${turns.length}`);
    // An entry without a loop begins the first one.
    if (loops.length === 0) loops.push('made up');
    position++;
    return { ...place, ...own, type: is } as NewTranscriptEntry;
  }

  return async (one: Step): Promise<void> => {
    const { transcripts } = world;
    if (one.do === 'append') {
      const needsLoop = loops.length === 0 && one.entries[0]?.is !== 'loop';
      if (needsLoop) loops.push('first');
      const entries = one.entries.flatMap((entry) => entryOf(entry) ?? []);
      const first = needsLoop ? [{ type: 'loop' as const, loopId: 'first' }] : [];
      if (first.length + entries.length === 0) return;
      const options = one.operationId === undefined ? {} : { operationId: one.operationId };
      await granted(transcripts.append('s', [...first, ...entries], options));
    } else if (one.do === 'compact') {
      const answer = await transcripts.compact('s', {
        messages: [{ role: 'system' }],
        keepTurns: one.keepTurns,
      });
      if (!answer.ok) return expect(answer.refusal.field).toBe('keepTurns');
      loops.push(answer.session.currentLoopId ?? '');
      position++;
    } else {
      const loopId = any(loops, one.loop);
      const { toolCallId } = one;
      const parent = {
        sessionId: 's',
        ...(loopId !== undefined && { loopId }),
        ...(toolCallId !== undefined && { toolCallId }),
      };
      await granted(transcripts.create({ agentId: 'sub', parent }));
    }
  };
}

/** What a copy must have of what it was copied from. */
function contentOf({ session, loops, groups, children, entries }: Transcript, whole: boolean): string {
  const { incarnation: _i, revision: _r, ...kept } = session;
  const of = whole ? { session: kept, children } : { usage: usageOf(loops) };
  return canonicalText(JSON.parse(JSON.stringify({ ...of, loops, groups, entries })) as Json);
}

function usageOf(loops: Transcript['loops']): Record<string, number> {
  const sum: Record<string, number> = {};
  for (const { usage: used } of loops)
    for (const [name, amount] of Object.entries(used))
      sum[name] = (Object.hasOwn(sum, name) ? (sum[name] ?? 0) : 0) + amount;
  return sum;
}

test.each([
  { backend: memoryBackend, numRuns: 250 },
  { backend: sqliteFastBackend, numRuns: 50 },
])(
  'random sessions come back as they were from an export, a save and a fork of each branch: $backend.name',
  async ({ backend, numRuns }) => {
    const seed = Number(process.env.AMBIT_SEED ?? Math.floor(Math.random() * 2 ** 31));
    console.log(`round trips on ${backend.name}: AMBIT_SEED=${seed}`);
    const world = await openTranscriptWorld(backend);
    const other = (await openTranscriptWorld(memoryBackend)).transcripts;
    const { transcripts } = world;
    const load = async (from: typeof transcripts, id: string, loopId?: string) =>
      (await granted(from.load(id, loopId === undefined ? {} : { loopId }))).transcript;
    const seen = async (from: typeof transcripts, id: string, loopId?: string) =>
      (await granted(from.history(id, loopId === undefined ? {} : { loopId }))).messages;

    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), fc.nat(999), async (steps, choice) => {
        // What a run that failed has left behind is in the way of those that shrink it.
        for (const id of ['s', 'whole', 'branch'])
          for (const place of [transcripts, other])
            expect(['ok', 'SESSION_NOT_FOUND']).toContain(await codeOf(place.delete(id)));
        await granted(transcripts.create({ sessionId: 's', agentId: 'a', metadata: { a: 1 } }));
        const write = writer(world);
        for (const one of steps) await write(one);
        const original = await load(transcripts, 's');

        const file: unknown = JSON.parse(JSON.stringify((await granted(transcripts.export('s'))).transcript));
        await granted(other.import(file));
        const imported = await load(other, 's');
        expect(contentOf(imported, true)).toBe(contentOf(original, true));
        await granted(transcripts.fork('s', { sessionId: 'whole' }));
        expect(contentOf(await load(transcripts, 'whole'), false)).toBe(contentOf(original, false));
        expect(canonicalText((await load(transcripts, 'whole')).session.usage)).toBe(
          canonicalText(original.session.usage),
        );

        const { loops } = original;
        for (const { loopId } of loops)
          expect(await seen(other, 's', loopId)).toEqual(await seen(transcripts, 's', loopId));
        for (const { loopId } of [loops[choice % loops.length], loops.at(-1)].filter(
          (loop) => loop !== undefined,
        )) {
          await granted(transcripts.fork('s', { sessionId: 'branch', loopId }));
          const branch = await load(transcripts, 'branch');
          expect(contentOf(branch, false)).toBe(contentOf(await load(transcripts, 's', loopId), false));
          expect(branch.session.currentLoopId).toBe(loopId);
          expect(canonicalText(branch.session.usage)).toBe(canonicalText(usageOf(branch.loops)));
          expect(await seen(transcripts, 'branch')).toEqual(await seen(transcripts, 's', loopId));
          await granted(transcripts.append('branch', [said('on')]));
          expect((await seen(transcripts, 'branch')).at(-1)?.message.content).toBe('on');
          await granted(transcripts.delete('branch'));
        }

        await granted(transcripts.save(original));
        expect(contentOf(await load(transcripts, 's'), false)).toBe(contentOf(original, false));
        await granted(transcripts.append('s', [said('on')]));
        expect((await seen(transcripts, 's')).at(-1)?.message.content).toBe('on');
      }),
      { numRuns, seed },
    );
  },
);
