import { AmbitError, compareKeys, type Key, type Storage, type StoredRecord } from '../storage/storage.js';
import { isDeleted, isMeant, pages } from './copy-walk.js';
import { copyMarkKey } from '../core/copy-mark.js';
import { WrittenSum } from './written-sum.js';

/** A key that is not the same in both stores, and which version lies under it in the target. */
export interface Difference {
  readonly key: Key;
  readonly found: string | undefined;
}

/** What a walk of two stores side by side found. */
export interface Comparison {
  /** Records of the source that mean something. */
  readonly records: number;
  readonly differences: number;
  /** The first `differencesNotedMax` of them. */
  readonly noted: readonly Difference[];
  /** Of all records of the target, so that those of somebody else are noticed. */
  readonly sum: WrittenSum;
}

/** Kept in memory until they are mended: some tens of megabytes. Where there are more, all is compared again. */
const differencesNotedMax = 100_000;

/**
 * Compares two stores.
 *
 * @param onCompared is told now and then how many records of the source were compared by then
 * @throws AmbitError `STORE_CORRUPT` for a record that is another under the same version
 */
export async function compareStores(
  from: Storage,
  to: Storage,
  onCompared: (records: number) => void,
): Promise<Comparison> {
  const [source, target] = [oneByOne(from), oneByOne(to)];
  const sum = new WrittenSum();
  const noted: Difference[] = [];
  let [records, differences] = [0, 0];
  let [wanted, found] = [await source.next(), await target.next()];
  while (!wanted.done || !found.done) {
    const order = wanted.done
      ? 1
      : found.done
        ? -1
        : compareKeys(wanted.value.record.key, found.value.record.key);
    const one = order <= 0 && !wanted.done ? wanted.value : undefined;
    const other = order >= 0 && !found.done ? found.value : undefined;
    if (other) sum.add(other.record);
    if (one?.isMeant && ++records % 1_000 === 0) onCompared(records);
    if (await differ(from, to, one, other)) {
      differences++;
      const key = (one ?? other)?.record.key as Key;
      if (noted.length < differencesNotedMax) noted.push({ key, found: other?.record.version });
    }
    if (one) wanted = await source.next();
    if (other) found = await target.next();
  }
  onCompared(records);
  return { records, differences, noted, sum };
}

interface Found {
  readonly record: StoredRecord;
  /** Whether it had not expired when its page was read. */
  readonly isMeant: boolean;
}

/** What expired is walked as well: physically there, it is in the way of a record that is to be written. */
async function* oneByOne(storage: Storage): AsyncGenerator<Found, void, undefined> {
  for await (const { records, nowMs } of pages(storage)) {
    for (const record of records) {
      if (record.key !== copyMarkKey && !isDeleted(record.value))
        yield { record, isMeant: isMeant(record, nowMs) };
    }
  }
}

async function differ(
  from: Storage,
  to: Storage,
  wanted: Found | undefined,
  found: Found | undefined,
): Promise<boolean> {
  if (!wanted?.isMeant && !found?.isMeant) return false;
  if (wanted && found && wanted.record.version === found.record.version) {
    assertSame(wanted.record, found.record);
    return false;
  }
  if (wanted?.isMeant && found) return true;
  // A record that expired between the walk of one store and of the other means nothing.
  const { record } = (wanted?.isMeant ? wanted : found) as Found;
  if (record.expiresAtMs === undefined) return true;
  const answers = await Promise.all([from.read([]), to.read([])]);
  return answers.every(({ nowMs }) => isMeant(record, nowMs));
}

/** A version is never used twice, so nobody changed it: one of the stores does not give back what was written. */
function assertSame(wanted: StoredRecord, found: StoredRecord): void {
  if (wanted.expiresAtMs === found.expiresAtMs && wanted.value.text === found.value.text) return;
  throw new AmbitError(
    'STORE_CORRUPT',
    `copy: the record ${JSON.stringify(wanted.key.slice(0, 80))} is not the same in both stores, though nobody changed it; one of them does not give back what was written: delete the target, examine both with ambit doctor, and copy again`,
  );
}
