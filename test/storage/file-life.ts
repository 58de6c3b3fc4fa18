import {
  AmbitError,
  encodeKey,
  type Key,
  type StoredRecord,
  type Transaction,
  Value,
  type Write,
} from 'ambit/storage';
import { createFileStore, type FileStore } from '../../src/storage/file/file-store.js';
import { openFiles } from '../../src/storage/file/file-open.js';
import { expect } from 'vitest';
import type { SeededRandom } from '../simulation/seeded-random.js';
import type { SimulatedDisk } from './simulated-disk.js';

/** What one attempt changes, in the order in which attempts were decided. */
interface Attempt {
  readonly id: number;
  readonly changes: readonly { readonly key: Key; readonly value: string | undefined }[];
}

/** All that was attempted on a store in its lives, and what was answered. */
export interface History {
  readonly attempts: Attempt[];
  readonly acknowledged: Set<number>;
  /** Answered with `outcome: 'none'`. */
  readonly refused: Set<number>;
  readonly unknown: Set<number>;
  /** Attempts that a recovered store did not hold: they must not come back. */
  readonly gone: Set<number>;
  calls: number;
}

export function newHistory(): History {
  return {
    attempts: [],
    acknowledged: new Set(),
    refused: new Set(),
    unknown: new Set(),
    gone: new Set(),
    calls: 0,
  };
}

export interface LifeOptions {
  readonly disk: SimulatedDisk;
  readonly random: SeededRandom;
  /** Whether every group is flushed. */
  readonly flushed: boolean;
}

export const directory = '/store';

const counter = encodeKey(['counter']);
const keys = Array.from({ length: 8 }, (_, index) => encodeKey(['k', index]));
const attemptKey = (id: number): Key => encodeKey(['attempt', id]);
const all = [counter, ...keys];

/** Small enough for several journals and snapshots in one life. */
const journalBytesMax = 8_192;

export async function openOn({ disk, flushed }: LifeOptions): Promise<FileStore> {
  const opened = await openFiles(disk, directory);
  return createFileStore(opened, { directory, disk, flushed, clock: () => 1_000, journalBytesMax });
}

/** Lets callers write until each has tried so often, or the process has ended. */
export async function live(
  store: FileStore,
  life: LifeOptions,
  history: History,
  tries: number,
): Promise<void> {
  const caller = async (): Promise<void> => {
    for (let attempt = 0; attempt < tries && !life.disk.killed; attempt++)
      await attemptOnce(store, life, history);
  };
  await Promise.all([caller(), caller(), caller()]);
}

async function attemptOnce(store: FileStore, { random }: LifeOptions, history: History): Promise<void> {
  let id: number | undefined;
  history.calls++;
  try {
    const { outcomes } = (await store.locked(all, (records) => {
      id = history.attempts.length;
      const attempt = attemptOf(id, random);
      history.attempts.push(attempt);
      return [transactionOf(attempt, records)];
    })) as { outcomes: readonly { status: string }[] };
    expect(outcomes[0]?.status).toBe('ok');
    history.acknowledged.add(id ?? -1);
  } catch (error) {
    if (!(error instanceof AmbitError)) throw error;
    if (id === undefined) return;
    const { outcome } = error as unknown as { outcome: string };
    (outcome === 'none' ? history.refused : history.unknown).add(id);
  }
}

function attemptOf(id: number, random: SeededRandom): Attempt {
  const text = 'x'.repeat(random.chance(0.2) ? random.whole(0, 3_000) : random.whole(0, 60));
  const chosen = new Set([random.pick(keys), random.pick(keys)]);
  return {
    id,
    changes: [...chosen].map((key) => ({ key, value: random.chance(0.3) ? undefined : `${id} 漢 ${text}` })),
  };
}

function transactionOf(
  { id, changes }: Attempt,
  records: readonly (StoredRecord | undefined)[],
): Transaction {
  const current = new Map(records.map((record, index) => [all[index], record]));
  const expected = (key: Key): string | null => current.get(key)?.version ?? null;
  const version = (part: string): string => `${id}.${part}`;
  const count = Number(current.get(counter)?.value.json ?? 0);
  const writes: Write[] = [
    { kind: 'put', key: attemptKey(id), expected: null, version: version('a'), value: Value.of(id) },
    {
      kind: 'put',
      key: counter,
      expected: expected(counter),
      version: version('c'),
      value: Value.of(count + 1),
    },
    ...changes.map(({ key, value }, index): Write =>
      value === undefined
        ? { kind: 'delete', key, expected: expected(key) }
        : {
            kind: 'put',
            key,
            expected: expected(key),
            version: version(String(index)),
            value: Value.of(value),
          },
    ),
  ];
  return { writes };
}

/**
 * Reads a store and says whether it is one that the history allows: every attempt in it whole or not at all, what was
 * acknowledged in it, what was refused not, and every record as the attempts that are in it left it.
 */
export async function examine(
  store: FileStore,
  history: History,
  all_: 'acknowledged' | 'a prefix',
): Promise<number> {
  const { records } = await store.read([counter]);
  const held = new Set<number>();
  for (let from = 0; from < history.attempts.length; from += 500) {
    const page = history.attempts.slice(from, from + 500);
    const found = await store.read(page.map(({ id }) => attemptKey(id)));
    page.forEach(({ id }, index) => found.records[index] && held.add(id));
  }
  expect(records[0]?.value.json ?? 0, 'attempts counted').toBe(held.size);
  const wrong = [...history.refused, ...history.gone].filter((id) => held.has(id));
  expect(wrong, 'refused, and there all the same').toEqual([]);
  const lost = [...history.acknowledged].filter((id) => !held.has(id) && !history.gone.has(id));
  if (all_ === 'acknowledged') expect(lost, 'acknowledged, and lost').toEqual([]);
  else {
    // Whole groups from the end, and nothing in the middle.
    const firstLost = Math.min(...lost, Number.POSITIVE_INFINITY);
    expect([...held].filter((id) => id > firstLost && history.acknowledged.has(id))).toEqual([]);
  }
  const expected = new Map<Key, string>();
  for (const { id, changes } of history.attempts) {
    if (!held.has(id)) {
      history.gone.add(id);
      continue;
    }
    for (const { key, value } of changes) {
      if (value === undefined) expected.delete(key);
      else expected.set(key, value);
    }
  }
  const found = await store.read(keys);
  expect(found.records.map((record) => record?.value.json)).toEqual(keys.map((key) => expected.get(key)));
  const { records: range } = await store.range({ start: '' as Key, end: '%' as Key, limit: 1_000_000 });
  expect(range.length).toBe(held.size + expected.size + (held.size > 0 ? 1 : 0));
  return held.size;
}
