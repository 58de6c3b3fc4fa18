import { codeOf, granted } from '../core/answers.js';
import { openTranscriptWorld, said, seen, type TranscriptWorld, written } from './transcript-world.js';
import { describe, expect, test } from 'vitest';
import { backends } from '../storage/backends.js';
import { keysBelow } from '../../src/core/keys.js';

/** Ids that would be other files, or none, where an id becomes the name of a file. */
const oddIds = [
  '../x',
  'a.b',
  'a_b',
  'a b',
  'a!b',
  'CON',
  'con',
  '/etc/passwd',
  '.',
  '..',
  'ä',
  'x'.repeat(300),
  '💬',
  '__proto__',
];

async function recordsOf({ storage }: TranscriptWorld): Promise<string[]> {
  const { records } = await storage.range({ ...keysBelow([]), limit: 1_000 });
  return records.filter(({ value }) => value.json !== null).map(({ key }) => key);
}

describe.each(backends)('transcripts on $name', (backend) => {
  test('what is saved is loaded, listed newest first and by agent, deleted, and then not found', async () => {
    const world = await openTranscriptWorld(backend);
    const { transcripts, clock } = world;
    expect(await granted(transcripts.listIds())).toEqual({ ok: true, ids: [] });
    expect(await codeOf(transcripts.load('a'))).toBe('SESSION_NOT_FOUND');
    for (const [sessionId, agentId] of [
      ['a', 'one'],
      ['b', 'two'],
      ['c', 'one'],
    ] as const) {
      await granted(
        transcripts.save({ session: { sessionId, agentId }, entries: [said(`I am ${sessionId}`)] }),
      );
      clock.advance(5_000);
    }
    expect((await granted(transcripts.listIds())).ids).toEqual(['c', 'b', 'a']);
    const ofOne = await granted(transcripts.listForAgent('one'));
    expect(ofOne.sessions.map(({ sessionId }) => sessionId)).toEqual(['c', 'a']);
    expect(await written(world, 'b')).toEqual(['I am b']);

    await granted(transcripts.append('a', [said('again')]));
    expect((await granted(transcripts.listIds())).ids).toEqual(['a', 'c', 'b']);

    await granted(transcripts.delete('c'));
    expect(await codeOf(transcripts.load('c'))).toBe('SESSION_NOT_FOUND');
    expect(await codeOf(transcripts.delete('c'))).toBe('SESSION_NOT_FOUND');
    expect((await granted(transcripts.listIds())).ids).toEqual(['a', 'b']);
    expect((await granted(transcripts.listForAgent('one'))).sessions).toHaveLength(1);

    const again = await world.reopen();
    expect(await written(again, 'a')).toEqual(['I am a', 'again']);
    expect((await granted(again.transcripts.listIds())).ids).toEqual(['a', 'b']);
  });

  test('what is appended to a copy is seen, where a turn was updated last before its loop began', async () => {
    const world = await openTranscriptWorld(backend);
    const { transcripts } = world;
    await granted(transcripts.create({ sessionId: 's', agentId: 'a' }));
    await granted(
      transcripts.append('s', [
        { type: 'loop', loopId: 'l0' },
        { type: 'turn', turnId: 't' },
        said('asked'),
        { type: 'turn-update', turnId: 't', output: 'done' },
      ]),
    );
    await granted(transcripts.chain('s', 'l0', { loopId: 'l1' }));
    await granted(transcripts.fork('s', { sessionId: 'copy' }));
    await granted(transcripts.append('copy', [said('acknowledged')]));
    expect(await seen(world, 'copy')).toEqual(['asked', 'acknowledged']);
    await granted(transcripts.fork('copy', { sessionId: 'again' }));
    expect(await seen(world, 'again')).toEqual(['asked', 'acknowledged']);
  });

  test('8 concurrent saves of one id all succeed, and one whole record is left, and nothing else', async () => {
    const world = await openTranscriptWorld(backend);
    const saves = Array.from({ length: 8 }, (_, writer) =>
      world.transcripts.save({
        session: { sessionId: 's', agentId: 'a' },
        entries: Array.from({ length: 20 }, (__, index) => said(`${writer}:${index}`)),
      }),
    );
    for (const save of await Promise.all(saves)) await granted(save);
    const texts = (await written(world, 's')) as string[];
    expect(texts).toHaveLength(20);
    expect(new Set(texts.map((text) => text.split(':')[0])).size).toBe(1);

    await granted(world.transcripts.collect());
    const { session } = await granted(world.transcripts.get('s'));
    // Its record, two of the index, a loop with its state, and its 20 entries.
    expect(await recordsOf(world)).toHaveLength(25);
    expect((await recordsOf(world)).filter((key) => key.includes(session.incarnation))).toHaveLength(22);
  });

  test('two writers on one session lose nothing', async () => {
    const world = await openTranscriptWorld(backend);
    await granted(world.transcripts.create({ sessionId: 's', agentId: 'a' }));
    const write = async (writer: string): Promise<void> => {
      for (let index = 0; index < 20; index++)
        await granted(world.transcripts.append('s', [said(`${writer}${index}`), said(`${writer}${index}!`)]));
    };
    await Promise.all([write('x'), write('y')]);
    const texts = (await written(world, 's')) as string[];
    expect(texts).toHaveLength(80);
    for (const writer of ['x', 'y']) {
      const own = texts.filter((text) => text.startsWith(writer));
      expect(own).toEqual(
        Array.from({ length: 20 }, (_, index) => [`${writer}${index}`, `${writer}${index}!`]).flat(),
      );
    }
    const { session } = await granted(world.transcripts.get('s'));
    expect(session.counts).toEqual({ loops: 1, turns: 0, messages: 80, events: 0 });
  });

  test('what was loaded is saved only over what it was: somebody who wrote in between loses nothing', async () => {
    const world = await openTranscriptWorld(backend);
    const { transcripts } = world;
    await granted(transcripts.append('s', [said('one')], { create: { agentId: 'a' } }));
    const { transcript } = await granted(transcripts.load('s'));
    await granted(transcripts.append('s', [said('two')]));
    expect(await codeOf(transcripts.save(transcript))).toBe('SESSION_CHANGED');
    expect(await written(world, 's')).toEqual(['one', 'two']);

    const fresh = (await granted(transcripts.load('s'))).transcript;
    const saved = await granted(transcripts.save({ ...fresh, entries: fresh.entries.slice(1) }));
    expect(saved.session.incarnation).not.toBe(fresh.session.incarnation);
    expect(saved.session.createdAtMs).toBe(fresh.session.createdAtMs);
    expect(await written(world, 's')).toEqual(['two']);
    expect(await codeOf(transcripts.save(fresh))).toBe('SESSION_CHANGED');
    await granted(transcripts.save(fresh, { overwrite: true }));
    expect(await written(world, 's')).toEqual(['one', 'two']);
  });

  test('an id is any text, and two ids are never one session', async () => {
    const world = await openTranscriptWorld(backend);
    for (const id of oddIds) {
      await granted(
        world.transcripts.append(id, [said(`I am ${id}`)], { create: { agentId: id.slice(0, 255) } }),
      );
    }
    for (const id of oddIds) {
      expect(await written(world, id)).toEqual([`I am ${id}`]);
      const { sessions } = await granted(world.transcripts.listForAgent(id.slice(0, 255)));
      expect(sessions.map(({ sessionId }) => sessionId)).toEqual([id]);
    }
    const { ids } = await granted(world.transcripts.listIds({ limit: 1_000 }));
    expect(new Set(ids)).toEqual(new Set(oddIds));
    for (const id of ['', 'x'.repeat(513), 'a\u0000b', 'a\nb', '\ud800', 'ä'.repeat(512) + '!'.repeat(200)])
      expect(await codeOf(world.transcripts.create({ sessionId: id, agentId: 'a' }))).toBe('INVALID_INPUT');
  });

  test('an operation is done once, however often it is sent', async () => {
    const world = await openTranscriptWorld(backend);
    const { transcripts } = world;
    const send = (text: string) =>
      transcripts.append('s', [said(text)], { operationId: 'op', create: { agentId: 'a' } });
    const [first, second] = await Promise.all([send('hello'), send('hello')]);
    expect([first, second].filter((answer) => answer.ok && answer.replayed === true)).toHaveLength(1);
    const third = await granted(
      (await world.reopen()).transcripts.append('s', [said('hello')], { operationId: 'op' }),
    );
    expect(third.replayed).toBe(true);
    expect(third.position).toBe(0);
  });

  test('the same operation with other content is an error, and changes nothing', async () => {
    const world = await openTranscriptWorld(backend);
    const { transcripts } = world;
    await granted(transcripts.append('s', [said('hello')], { operationId: 'op', create: { agentId: 'a' } }));
    const other = await transcripts.append('s', [said('bye')], { operationId: 'op' });
    expect(other).toMatchObject({ ok: false, refusal: { code: 'INVALID_INPUT', field: 'operationId' } });
    expect(await written(world, 's')).toEqual(['hello']);
    // The order of fields says nothing.
    const reordered = { message: { content: 'hello', role: 'user' }, type: 'message' as const };
    expect((await granted(transcripts.append('s', [reordered], { operationId: 'op' }))).replayed).toBe(true);
    expect(await granted(transcripts.findOperation('s', 'op', [said('hello')]))).toEqual({
      ok: true,
      found: true,
    });
    expect(await granted(transcripts.findOperation('s', 'op2', []))).toEqual({ ok: true, found: false });
    expect(await codeOf(transcripts.findOperation('s', 'op', [said('bye')]))).toBe('INVALID_INPUT');
  });

  test('loops form a tree, and a branch sees its parents up to where it began', async () => {
    const world = await openTranscriptWorld(backend);
    const { transcripts } = world;
    const loop = (loopId: string, more: object = {}) => ({ type: 'loop' as const, loopId, ...more });
    await granted(
      transcripts.append('s', [loop('L1'), said('1a'), said('1b')], { create: { agentId: 'a' } }),
    );
    await granted(transcripts.chain('s', 'L1', { loopId: 'L2' }));
    await granted(transcripts.append('s', [said('2a'), { type: 'loop-update', status: 'completed' }]));
    await granted(
      transcripts.append('s', [
        loop('L3', { kind: 'rerun', parentLoopId: 'L2' }),
        said('3a'),
        loop('L4', { kind: 'branch', parentLoopId: 'L1', branchesAt: 1, groupId: 'g' }),
        loop('L5', {
          kind: 'branch',
          parentLoopId: 'L1',
          groupId: 'g',
          config: { model: 'm', apiKey: 'sk-secret-secret' },
        }),
        said('4a', 'L4'),
        said('5a', 'L5'),
        said('4b', 'L4'),
        said('1c', 'L1'),
      ]),
    );
    expect(await seen(world, 's', 'L2')).toEqual(['1a', '1b', '2a']);
    expect(await seen(world, 's', 'L3')).toEqual(['1a', '1b', '3a']);
    expect(await seen(world, 's', 'L4')).toEqual(['1a', '4a', '4b']);
    expect(await seen(world, 's', 'L5')).toEqual(['1a', '1b', '5a']);
    expect(await seen(world, 's', 'L1')).toEqual(['1a', '1b', '1c']);
    expect(await codeOf(transcripts.history('s', { loopId: 'L9' }))).toBe('LOOP_NOT_FOUND');
    expect(await codeOf(transcripts.append('s', [said('x', 'L9')]))).toBe('LOOP_NOT_FOUND');
    expect(await codeOf(transcripts.chain('s', 'L9'))).toBe('LOOP_NOT_FOUND');
    expect(await codeOf(transcripts.append('s', [loop('L1')]))).toBe('INVALID_INPUT');

    await granted(
      transcripts.append('s', [{ type: 'loop-update', loopId: 'L4', selected: true, status: 'completed' }]),
    );
    const { transcript } = await granted(transcripts.load('s'));
    expect(transcript.groups).toEqual([{ groupId: 'g', loopIds: ['L4', 'L5'], selectedLoopId: 'L4' }]);
    expect(transcript.session.currentLoopId).toBe('L4');
    expect(transcript.loops.map(({ loopId, kind, status }) => [loopId, kind, status])).toEqual([
      ['L1', 'initial', 'running'],
      ['L2', 'continuation', 'completed'],
      ['L3', 'rerun', 'running'],
      ['L4', 'branch', 'completed'],
      ['L5', 'branch', 'running'],
    ]);
    expect(transcript.loops.find(({ loopId }) => loopId === 'L5')?.config).toEqual({
      model: 'm',
      apiKey: '[left out]',
    });

    const branch = (await granted(transcripts.load('s', { loopId: 'L2' }))).transcript;
    expect(branch.loops.map(({ loopId }) => loopId)).toEqual(['L1', 'L2']);
    expect(branch.entries.map(({ position }) => position)).toEqual([0, 1, 2]);
  });

  test('turns carry usage, which sums up by loop and in all; the last turns can be loaded', async () => {
    const world = await openTranscriptWorld(backend);
    const { transcripts } = world;
    await granted(transcripts.create({ sessionId: 's', agentId: 'a' }));
    for (let index = 0; index < 5; index++) {
      await granted(
        transcripts.append('s', [
          ...(index === 3 ? [{ type: 'loop' as const, loopId: 'second' }] : []),
          {
            type: 'turn',
            turnId: `t${index}`,
            trigger: 'user',
            usage: { inputTokens: 10, outputTokens: index },
          },
          said(`q${index}`),
          { type: 'event', event: { name: 'tool', index } },
        ]),
      );
    }
    await granted(
      transcripts.append('s', [
        { type: 'turn-update', turnId: 't4', output: 'done', usage: { outputTokens: 7 } },
      ]),
    );
    const usage = await granted(transcripts.usage('s'));
    expect(usage.total).toEqual({ inputTokens: 50, outputTokens: 17 });
    expect(usage.loops.map((one) => one.usage)).toEqual([
      { inputTokens: 30, outputTokens: 3 },
      { inputTokens: 20, outputTokens: 14 },
    ]);
    const { transcript } = await granted(transcripts.load('s', { turns: 3 }));
    expect(transcript.entries.map((entry) => entry.type)).toEqual([
      'turn',
      'message',
      'event',
      'turn',
      'message',
      'event',
      'turn',
      'message',
      'event',
    ]);
    expect(transcript.entries.at(-3)).toMatchObject({
      turnId: 't4',
      output: 'done',
      usage: { inputTokens: 10, outputTokens: 11 },
    });
    const whole = (await granted(transcripts.load('s'))).transcript;
    expect(whole.session.counts).toEqual({ loops: 2, turns: 5, messages: 5, events: 5 });
  });

  test('a compaction is an overlay: a model sees it, and what was said stays', async () => {
    const world = await openTranscriptWorld(backend);
    const { transcripts } = world;
    await granted(transcripts.create({ sessionId: 's', agentId: 'a' }));
    for (let index = 0; index < 4; index++)
      await granted(transcripts.append('s', [{ type: 'turn', turnId: `t${index}` }, said(`m${index}`)]));
    const before = await granted(transcripts.get('s'));
    const summary = { role: 'system', content: 'summary' };
    const compacted = { messages: [summary], keepTurns: 1, operationId: 'c' };
    await granted(transcripts.compact('s', compacted));
    expect((await granted(transcripts.compact('s', compacted))).replayed).toBe(true);
    await granted(transcripts.append('s', [said('m4')]));
    expect(await seen(world, 's')).toEqual(['summary', 'm3', 'm4']);
    expect(await written(world, 's')).toEqual(['m0', 'm1', 'm2', 'm3', 'm4']);
    expect(await seen(world, 's', before.session.currentLoopId)).toEqual(['m0', 'm1', 'm2', 'm3']);
    const { loops } = (await granted(transcripts.load('s'))).transcript;
    expect(loops.map(({ kind, status }) => [kind, status])).toEqual([
      ['initial', 'running'],
      ['compaction', 'completed'],
    ]);
    await granted(transcripts.compact('s', { messages: [summary, { role: 'system', content: 'second' }] }));
    expect(await seen(world, 's')).toEqual(['summary', 'second']);
    const { messages } = await granted(transcripts.history('s', { limit: 1 }));
    expect(messages.map(({ message }) => message.content)).toEqual(['second']);
  });

  test('a session and its sub-agents know each other', async () => {
    const world = await openTranscriptWorld(backend);
    const { transcripts } = world;
    expect(await codeOf(transcripts.create({ agentId: 'b', parent: { sessionId: 'up' } }))).toBe(
      'SESSION_NOT_FOUND',
    );
    await granted(transcripts.append('up', [said('hello')], { create: { agentId: 'a' } }));
    const parent = { sessionId: 'up', toolCallId: 'call-1', toolName: 'research' };
    await granted(transcripts.create({ sessionId: 'down', agentId: 'b', parent }));
    expect((await granted(transcripts.get('down'))).session.parent).toEqual(parent);
    const children = async () => (await granted(transcripts.load('up'))).transcript.children;
    expect(await children()).toEqual([{ sessionId: 'down', toolCallId: 'call-1', toolName: 'research' }]);
    // The links are not content: replacing it leaves them.
    await granted(transcripts.save((await granted(transcripts.load('up'))).transcript));
    expect(await children()).toHaveLength(1);
    await granted(transcripts.delete('down'));
    expect(await children()).toEqual([]);
  });

  test('an agent that lay idle gets a new session, in one transaction', async () => {
    const world = await openTranscriptWorld(backend);
    const { transcripts, clock } = world;
    const open = () => transcripts.openCurrent({ agentId: 'a', inactiveMs: 60_000 });
    const [first, same] = await Promise.all([open(), open()]);
    const { session } = await granted(first);
    expect((await granted(same)).session.sessionId).toBe(session.sessionId);
    clock.advance(50_000);
    await granted(transcripts.append(session.sessionId, [said('still here')]));
    clock.advance(50_000);
    expect((await granted(open())).created).toBe(false);
    clock.advance(60_000);
    const opens = await Promise.all(Array.from({ length: 8 }, open));
    const next = await Promise.all(opens.map((answer) => granted(answer)));
    expect(new Set(next.map((answer) => answer.session.sessionId)).size).toBe(1);
    expect(next.filter(({ created }) => created)).toHaveLength(1);
    expect(next[0]?.session).toMatchObject({ formation: 'inactivity', previousSessionId: session.sessionId });
    expect((await granted(transcripts.listForAgent('a'))).sessions).toHaveLength(2);
  });

  test('an ephemeral session is gone when its lifetime is over, and its id is free again', async () => {
    const world = await openTranscriptWorld(backend, { ephemeralLifetimeMs: 60_000 });
    const { transcripts, clock } = world;
    const create = { agentId: 'a', scope: 'ephemeral' as const };
    await granted(transcripts.append('s', [said('x'.repeat(1_000_000)), said('y')], { create }));
    clock.advance(59_999);
    expect(await codeOf(transcripts.get('s'))).toBe('ok');
    clock.advance(1);
    expect(await codeOf(transcripts.get('s'))).toBe('SESSION_NOT_FOUND');
    expect(await codeOf(transcripts.append('s', [said('late')]))).toBe('SESSION_NOT_FOUND');
    expect((await granted(transcripts.listIds())).ids).toEqual([]);
    await granted(transcripts.append('s', [said('new')], { create: { agentId: 'b' } }));
    expect(await written(world, 's')).toEqual(['new']);
    clock.advance(120_000);
    while ((await granted(world.engine.sweep(1_000))).keys.length > 0);
    expect((await recordsOf(world)).filter((key) => key.includes('transcript-piece'))).toEqual([]);
    expect(await written(world, 's')).toEqual(['new']);
  });

  test('a large entry, and many that are large together, are kept whole', async () => {
    const world = await openTranscriptWorld(backend);
    const large = said(`${'"\\ä💬'.repeat(400_000)}end`);
    await granted(world.transcripts.append('s', [large, said('small')], { create: { agentId: 'a' } }));
    const many = Array.from({ length: 6 }, (_, index) => said(String(index).repeat(600_000)));
    await granted(world.transcripts.append('s', many));
    const again = await world.reopen();
    const { transcript } = await granted(again.transcripts.load('s'));
    expect(transcript.entries).toHaveLength(8);
    expect(transcript.entries[0]).toMatchObject(large);
    expect(transcript.entries[7]).toMatchObject(many[5] as object);
    const copy = await granted(again.transcripts.fork('s', { sessionId: 'copy' }));
    expect(copy.session.forkedFrom?.sessionId).toBe('s');
    expect((await granted(again.transcripts.load('copy'))).transcript.entries[0]).toMatchObject(large);

    await granted(again.transcripts.delete('s'));
    await granted(again.transcripts.delete('copy'));
    for (let left = 1; left > 0;) left = (await granted(again.transcripts.collect())).records;
    expect(await recordsOf(again)).toEqual([]);
  });

  test('a fork is a session of its own, of all or of a branch', async () => {
    const world = await openTranscriptWorld(backend);
    const { transcripts } = world;
    await granted(
      transcripts.append('s', [{ type: 'loop', loopId: 'L1' }, said('1')], { create: { agentId: 'a' } }),
    );
    await granted(transcripts.append('s', [{ type: 'loop', loopId: 'L2' }, said('2')]));
    await granted(
      transcripts.append('s', [
        { type: 'loop', loopId: 'L3', kind: 'branch', parentLoopId: 'L1' },
        said('3'),
      ]),
    );
    await granted(transcripts.fork('s', { sessionId: 'f', loopId: 'L2', agentId: 'b' }));
    await granted(transcripts.append('f', [said('4')]));
    expect(await seen(world, 'f')).toEqual(['1', '2', '4']);
    expect(await written(world, 's')).toEqual(['1', '2', '3']);
    const { session, loops } = (await granted(transcripts.load('f'))).transcript;
    expect(session).toMatchObject({ agentId: 'b', currentLoopId: 'L2', counts: { loops: 2, messages: 3 } });
    expect(loops.map(({ loopId }) => loopId)).toEqual(['L1', 'L2']);
    expect(await codeOf(transcripts.fork('s', { sessionId: 'f' }))).toBe('SESSION_EXISTS');
    expect(await codeOf(transcripts.fork('nobody'))).toBe('SESSION_NOT_FOUND');
  });

  test('pages of a list follow each other, and show every session once', async () => {
    const world = await openTranscriptWorld(backend);
    for (let index = 0; index < 25; index++) {
      await granted(
        world.transcripts.create({ sessionId: `s${index}`, agentId: index % 2 ? 'odd' : 'even' }),
      );
      world.clock.advance(10);
    }
    const ids: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await granted(
        world.transcripts.listIds({ limit: 7, ...(cursor !== undefined && { cursor }) }),
      );
      ids.push(...page.ids);
      cursor = page.cursor;
    } while (cursor !== undefined);
    expect(ids).toEqual(Array.from({ length: 25 }, (_, index) => `s${24 - index}`));
    expect(await codeOf(world.transcripts.list({ cursor: 'nonsense' }))).toBe('INVALID_INPUT');
    const ofOdd = await granted(world.transcripts.listForAgent('odd', { limit: 5 }));
    expect(await codeOf(world.transcripts.listForAgent('even', { cursor: ofOdd.cursor ?? '' }))).toBe(
      'INVALID_INPUT',
    );
  });
});
