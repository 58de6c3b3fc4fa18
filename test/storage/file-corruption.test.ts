import { AmbitError, type Key, Value } from 'ambit/storage';
import { directory, type LifeOptions, live, newHistory, openOn } from './file-life.js';
import { describe, expect, test } from 'vitest';
import { encodeHeader, newHeader } from '../../src/storage/file/file-header.js';
import { openFiles } from '../../src/storage/file/file-open.js';
import { report, sized } from '../proof/figures.js';
import { type SeededRandom, seededRandom } from '../simulation/seeded-random.js';
import { SimulatedDisk } from './simulated-disk.js';

/** A store whose process has ended: its files, what it held, and what it held before its last group. */
interface Left {
  readonly files: ReadonlyMap<string, Buffer>;
  readonly held: string;
  readonly before: string;
}

/** Everything a store holds, in one text. */
async function contentOf(disk: SimulatedDisk): Promise<{ content: string; told: string | undefined }> {
  const opened = await openFiles(disk, directory);
  const records = opened.records.range({ start: '' as Key, end: '%' as Key, limit: 1_000_000 });
  const content = JSON.stringify(
    records.map(({ key, version, value, expiresAtMs }) => [key, version, value.text, expiresAtMs ?? 0]),
  );
  return { content, told: opened.report };
}

function filesOf(disk: SimulatedDisk): Map<string, Buffer> {
  return new Map(disk.paths().map((path) => [path, Buffer.from(disk.bytesOf(path))]));
}

function diskOf(files: ReadonlyMap<string, Buffer>): SimulatedDisk {
  const disk = new SimulatedDisk(seededRandom(1));
  for (const [path, bytes] of files) disk.replace(path, bytes);
  return disk;
}

/** Writes so many attempts and leaves without closing, and says what there was before the last of them. */
async function leftAfter(seed: number, tries: number, closed: boolean): Promise<Left> {
  const random = seededRandom(seed);
  const life: LifeOptions = { disk: new SimulatedDisk(random), random, flushed: true };
  const store = await openOn(life);
  const history = newHistory();
  await live(store, life, history, tries);
  // A snapshot that is under way is not what is to be looked at.
  for (let turn = 0; turn < 2_000 && store.state().snapshot.olderBytes > 0; turn++)
    await new Promise((resolve) => setImmediate(resolve));
  const { content: before } = await contentOf(diskOf(filesOf(life.disk)));
  await store.sweep(1);
  const { outcomes } = (await store.commit([
    {
      writes: [
        {
          kind: 'put',
          key: '$last ' as Key,
          expected: null,
          version: 'last',
          value: Value.of('the last group'),
        },
      ],
    },
  ])) as { outcomes: readonly { status: string }[] };
  expect(outcomes).toEqual([{ status: 'ok' }]);
  if (closed) await store.close();
  const files = filesOf(life.disk);
  const { content: held } = await contentOf(diskOf(files));
  expect(held).not.toBe(before);
  return { files, held, before };
}

type Verdict = 'refused' | 'cut' | 'as it was' | 'WRONG';

/** What becomes of a store whose files are these. */
async function openDamaged(files: ReadonlyMap<string, Buffer>, { held, before }: Left): Promise<Verdict> {
  try {
    const { content, told } = await contentOf(diskOf(files));
    // What is cut is at most the group that was written last.
    if (told !== undefined && (content === held || content === before)) return 'cut';
    return content === held ? 'as it was' : 'WRONG';
  } catch (error) {
    if (!(error instanceof AmbitError)) throw error;
    expect(['STORE_CORRUPT', 'STORE_SCHEMA_TOO_NEW']).toContain(error.code);
    expect(error.message).toMatch(
      /^file: \/store\/((journal|snapshot)-\d{8}|manifest), at byte \d+: [^\n]+$/,
    );
    return 'refused';
  }
}

function withByte(
  files: ReadonlyMap<string, Buffer>,
  path: string,
  at: number,
  flip: number,
): Map<string, Buffer> {
  const damaged = new Map(files);
  const bytes = Buffer.from(files.get(path) as Buffer);
  bytes[at] = (bytes[at] as number) ^ flip;
  return damaged.set(path, bytes);
}

test.each([
  ['left by its process', false],
  ['closed', true],
])('any single byte of a store that was %s: it is noticed', { timeout: 300_000 }, async (_, closed) => {
  const left = await leftAfter(7, sized(1, 12), closed);
  const random = seededRandom(3);
  const verdicts: Record<Verdict, number> = { refused: 0, cut: 0, 'as it was': 0, WRONG: 0 };
  for (const [path, bytes] of left.files) {
    // Behind the last byte that is not zero, a sample: they are all alike.
    const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
    const places = Array.from({ length: used }, (__, at) => at);
    for (let sample = 0; sample < 60 && bytes.length > used; sample++)
      places.push(random.whole(used, bytes.length - 1));
    for (const at of places) {
      const verdict = await openDamaged(withByte(left.files, path, at, random.whole(1, 255)), left);
      verdicts[verdict]++;
      if (verdict === 'WRONG' || verdict === 'as it was') expect.fail(`byte ${at} of ${path}: ${verdict}`);
    }
  }
  expect(verdicts.refused).toBeGreaterThan(1_000);
  expect(verdicts.cut).toBeGreaterThan(50);
  report(`file, ${closed ? 'closed' : 'left'}, single bytes`, {
    bytes: verdicts.refused + verdicts.cut,
    ...verdicts,
  });
});

const sectorBytes = 512;

/** Ways in which files come to harm. Turning the end of a journal to zeros is none of them: that is what was never written. */
const harms: Readonly<
  Record<string, (files: Map<string, Buffer>, path: string, random: SeededRandom) => void>
> = {
  bits(files, path, random) {
    const bytes = Buffer.from(files.get(path) as Buffer);
    for (let flips = random.whole(1, 8); flips > 0; flips--) {
      const at = placeIn(bytes, random);
      bytes[at] = (bytes[at] as number) ^ (1 << random.whole(0, 7));
    }
    files.set(path, bytes);
  },
  'a few bytes at different places'(files, path, random) {
    const bytes = Buffer.from(files.get(path) as Buffer);
    for (let changes = random.whole(2, 3); changes > 0; changes--)
      bytes[placeIn(bytes, random)] = random.whole(0, 255);
    files.set(path, bytes);
  },
  noise(files, path, random) {
    const bytes = Buffer.from(files.get(path) as Buffer);
    const at = placeIn(bytes, random);
    const end = Math.min(bytes.length, at + random.whole(1, 5_000));
    for (let index = at; index < end; index++) bytes[index] = random.whole(0, 255);
    files.set(path, bytes);
  },
  swap(files, path, random) {
    const bytes = Buffer.from(files.get(path) as Buffer);
    const [one, two] = [sectorIn(bytes, random), sectorIn(bytes, random)];
    const kept = Buffer.from(bytes.subarray(one, one + sectorBytes));
    bytes.copy(bytes, one, two, two + sectorBytes);
    kept.copy(bytes, two);
    files.set(path, bytes);
  },
  copy(files, path, random) {
    const bytes = Buffer.from(files.get(path) as Buffer);
    // Of what is written: zeros over the end of a journal are what was never written.
    const from = Math.min(sectorIn(bytes, random), lastSectorOf(bytes));
    bytes.copy(bytes, sectorIn(bytes, random), from, from + sectorBytes * random.whole(1, 3));
    files.set(path, bytes);
  },
  'zeros in the middle'(files, path, random) {
    const bytes = Buffer.from(files.get(path) as Buffer);
    const used = bytes.findLastIndex((byte) => byte !== 0);
    const at = random.whole(0, Math.max(0, used - 2 * sectorBytes));
    bytes.fill(0, at, Math.min(at + random.whole(1, 2_000), Math.max(at + 1, used - 2 * sectorBytes)));
    files.set(path, bytes);
  },
  'cut short'(files, path, random) {
    const bytes = files.get(path) as Buffer;
    const used = bytes.findLastIndex((byte) => byte !== 0) + 1;
    files.set(path, Buffer.from(bytes.subarray(0, random.whole(0, used))));
  },
  'made longer'(files, path, random) {
    const noise = Buffer.from(Array.from({ length: random.whole(1, 2_000) }, () => random.whole(1, 255)));
    files.set(path, Buffer.concat([files.get(path) as Buffer, noise]));
  },
  'a file of another number'(files, path, random) {
    const other = random.pick([...files.keys()]);
    files.set(path, Buffer.from(files.get(other) as Buffer));
  },
};

/** Mostly where something is. */
function placeIn(bytes: Buffer, random: SeededRandom): number {
  const used = Math.max(1, bytes.findLastIndex((byte) => byte !== 0) + 1);
  return random.chance(0.9) ? random.whole(0, used - 1) : random.whole(0, bytes.length - 1);
}

function lastSectorOf(bytes: Buffer): number {
  return Math.floor(bytes.findLastIndex((byte) => byte !== 0) / sectorBytes) * sectorBytes;
}

function sectorIn(bytes: Buffer, random: SeededRandom): number {
  return Math.floor(placeIn(bytes, random) / sectorBytes) * sectorBytes;
}

test('a thousand random corruptions: none is read as something else', { timeout: 300_000 }, async () => {
  const stores = await Promise.all(
    [1, 2, 3, 4, 5, 6].map((seed) => leftAfter(seed, seed * 7, seed % 2 === 0)),
  );
  const verdicts: Record<Verdict, number> = { refused: 0, cut: 0, 'as it was': 0, WRONG: 0 };
  const rounds = sized(1_000, 20_000);
  // 1669 copies zeros from behind the end, if it may.
  for (const seed of new Set([...Array.from({ length: rounds }, (_, index) => index + 1), 1_669])) {
    const random = seededRandom(seed);
    const left = random.pick(stores);
    const files = new Map(left.files);
    const harm = random.pick(Object.keys(harms));
    harms[harm]?.(files, random.pick([...files.keys()]), random);
    const verdict = await openDamaged(files, left);
    verdicts[verdict]++;
    if (verdict === 'WRONG') expect.fail(`seed ${seed} (${harm}): it loads what never was`);
  }
  expect(verdicts.refused).toBeGreaterThan(rounds / 2);
  report('file, random corruptions', { corruptions: rounds, ...verdicts });
});

/** Where the frames of the last journal begin. */
function framesOf(files: ReadonlyMap<string, Buffer>): { path: string; bytes: Buffer; begins: number[] } {
  const path = [...files.keys()].findLast((one) => one.includes('journal')) ?? expect.fail('no journal');
  const bytes = files.get(path) as Buffer;
  const { salt } = JSON.parse(bytes.toString('latin1', 0, sectorBytes - 9)) as { salt: string };
  const begins: number[] = [];
  for (let at = sectorBytes; at < bytes.length; at += sectorBytes)
    if (bytes.toString('hex', at + 8, at + 16) === salt) begins.push(at);
  return { path, bytes, begins };
}

/** A store whose last journal has some groups. */
async function leftWithGroups(): Promise<Left> {
  for (let seed = 7; seed < 20; seed++) {
    const left = await leftAfter(seed, 12, false);
    if (framesOf(left.files).begins.length > 3) return left;
  }
  return expect.fail('every store had just begun a journal');
}

describe('damage in several of the last groups', () => {
  const headerBytes = 40;

  async function tried(
    places: (begins: readonly number[], random: SeededRandom) => number[],
    rounds: number,
  ) {
    const left = await leftWithGroups();
    const { path, bytes, begins } = framesOf(left.files);
    const verdicts: Record<Verdict, number> = { refused: 0, cut: 0, 'as it was': 0, WRONG: 0 };
    for (let seed = 1; seed <= rounds; seed++) {
      const random = seededRandom(seed);
      const damaged = Buffer.from(bytes);
      const damagedAt = places(begins, random);
      for (const at of damagedAt) damaged[at] = (damaged[at] as number) ^ random.whole(1, 255);
      const verdict = await openDamaged(new Map(left.files).set(path, damaged), left);
      verdicts[verdict]++;
      if (verdict === 'WRONG' || verdict === 'as it was')
        expect.fail(`seed ${seed}, bytes ${damagedAt.join(', ')}: ${verdict}`);
    }
    return verdicts;
  }

  test('two headers, a byte in each: refused, since the first of them had been acknowledged', async () => {
    const verdicts = await tried(
      (begins, random) => {
        return begins.slice(-2).map((begin) => begin + random.whole(0, headerBytes - 1));
      },
      sized(400, 4_000),
    );
    expect(verdicts.cut).toBe(0);
  });

  test('two or three bytes at different places of the last three groups: no more than the last one is cut', async () => {
    const verdicts = await tried(
      (begins, random) => {
        const three = begins.slice(-3);
        return Array.from(
          { length: random.whole(2, 3) },
          () => random.pick(three) + random.whole(0, headerBytes + 20),
        );
      },
      sized(400, 4_000),
    );
    expect(verdicts.refused).toBeGreaterThan(100);
    expect(verdicts.cut).toBeGreaterThan(5);
  });

  test('a byte of a group that was not flushed, with others behind it: refused', async () => {
    const random = seededRandom(4);
    const life: LifeOptions = { disk: new SimulatedDisk(random), random, flushed: false };
    await live(await openOn(life), life, newHistory(), 1);
    const files = filesOf(life.disk);
    const { content: held } = await contentOf(diskOf(files));
    const { path, bytes, begins } = framesOf(files);
    expect(begins.length).toBeGreaterThan(1);
    const [begin, next] = begins.slice(-2) as [number, number];
    const textBytes = bytes.readUInt32BE(begin + 32);
    expect(begin + 40 + textBytes).toBeLessThanOrEqual(next);
    for (let at = begin; at < begin + 40 + textBytes; at++) {
      // Turned to zero, too, which is what was never written.
      const flip = at % 2 === 0 ? random.whole(1, 255) : bytes[at] || 1;
      const damaged = withByte(files, path, at, flip);
      expect(await openDamaged(damaged, { files, held, before: held }), `byte ${at}`).toBe('refused');
    }
  });

  test('a first sector that is gone, and bytes of the header behind it: refused', async () => {
    const left = await leftWithGroups();
    const { path, bytes, begins } = framesOf(left.files);
    const [first, last] = begins.slice(-2) as [number, number];
    for (let seed = 1; seed <= 200; seed++) {
      const random = seededRandom(seed);
      const damaged = Buffer.from(bytes);
      damaged.fill(0, first, first + sectorBytes);
      for (let harmed = 0; harmed < 3; harmed++) {
        const at = last + random.whole(0, headerBytes - 1);
        damaged[at] = (damaged[at] as number) ^ random.whole(1, 255);
      }
      expect(await openDamaged(new Map(left.files).set(path, damaged), left), `seed ${seed}`).toBe('refused');
    }
  });
});

test.each([
  ['with a snapshot that replaced all before', false],
  ['with journals before it that are kept, since no snapshot could be written', true],
])('the newest journal is missing, %s: it is named, and nothing older is read', async (_, older) => {
  for (let seed = 1; seed <= 20; seed++) {
    const random = seededRandom(seed);
    const disk = new SimulatedDisk(random, ({ call, path }) =>
      older && call === 'create' && path.includes('snapshot') ? 'EIO' : 'done',
    );
    const life: LifeOptions = { disk, random, flushed: true };
    const store = await openOn(life);
    await live(store, life, newHistory(), 20);
    for (let turn = 0; !older && turn < 2_000 && store.state().snapshot.olderBytes > 0; turn++)
      await new Promise((resolve) => setImmediate(resolve));
    await store.close();
    expect(store.state().snapshot.olderBytes > 0).toBe(older);
    const files = filesOf(disk);
    const journals = [...files.keys()].filter((path) => /journal-\d+$/.test(path));
    const newest = journals.at(-1) ?? expect.fail('there is no journal');
    expect(newest).not.toBe('/store/journal-00000001');
    files.delete(newest);
    await expect(contentOf(diskOf(files)), `seed ${seed}`).rejects.toMatchObject({
      code: 'STORE_CORRUPT',
      message: expect.stringMatching(new RegExp(`^file: ${newest}, at byte 0: it is missing`)) as string,
    });
  }
});

test('files that are missing, or belong to another store, are refused', async () => {
  const left = await leftAfter(5, 40, true);
  const others = (await leftAfter(6, 40, true)).files;
  const paths = [...left.files.keys()];
  expect(paths.some((path) => path.includes('snapshot'))).toBe(true);
  for (const path of paths) {
    const files = new Map(left.files);
    files.delete(path);
    // Nothing is lost without it: it is made anew, and that is told.
    if (path === '/store/manifest') {
      const { content, told } = await contentOf(diskOf(files));
      expect(content).toBe(left.held);
      expect(told).toMatch(/^file: \/store\/manifest: it was missing/);
    } else {
      expect(await openDamaged(files, left), `without ${path}`).toBe('refused');
    }
    const foreign = others.get(path);
    if (foreign) expect(await openDamaged(new Map(left.files).set(path, foreign), left)).toBe('refused');
  }
  const newer = new Map(left.files);
  const journal = paths.find((path) => path.includes('journal')) ?? expect.fail('there is no journal');
  const bytes = Buffer.from(left.files.get(journal) as Buffer);
  const number = Number(/\d+$/.exec(journal)?.[0]);
  encodeHeader(newHeader({ kind: 'journal', number, firstSequence: 1, storeId: 'x' }), 99).copy(bytes);
  newer.set(journal, bytes);
  await expect(contentOf(diskOf(newer))).rejects.toMatchObject({ code: 'STORE_SCHEMA_TOO_NEW' });
});
