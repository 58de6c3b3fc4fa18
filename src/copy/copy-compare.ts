import { isMeant, walk } from './copy-walk.js';
import { compareKeys, type Key, type Storage, type StoredRecord } from '../storage/storage.js';

/** A key that is not the same in both stores, and what lies under it in each. */
export interface Difference {
  readonly key: Key;
  readonly wanted: StoredRecord | undefined;
  readonly found: StoredRecord | undefined;
}

/**
 * Walks two stores side by side.
 *
 * @param onCompared is told of every page how many records of the source were compared by then
 */
export async function* differences(
  from: Storage,
  to: Storage,
  onCompared: (records: number) => void,
): AsyncGenerator<Difference, void, undefined> {
  const [source, target] = [oneByOne(from), oneByOne(to)];
  let compared = 0;
  let [wanted, found] = [await source.next(), await target.next()];
  while (!wanted.done || !found.done) {
    const order = wanted.done ? 1 : found.done ? -1 : compareKeys(wanted.value.key, found.value.key);
    const [one, other] = [order <= 0 ? wanted.value : undefined, order >= 0 ? found.value : undefined];
    if (!isSame(one ?? undefined, other ?? undefined)) {
      const key = (one ?? other)?.key as Key;
      const difference = { key, wanted: one ?? undefined, found: other ?? undefined };
      if (!(await expiredMeanwhile(from, to, difference))) yield difference;
    }
    if (order <= 0) {
      if (++compared % 1_000 === 0) onCompared(compared);
      wanted = await source.next();
    }
    if (order >= 0) found = await target.next();
  }
  onCompared(compared);
}

async function* oneByOne(storage: Storage): AsyncGenerator<StoredRecord, void, undefined> {
  for await (const page of walk(storage)) yield* page;
}

function isSame(one: StoredRecord | undefined, other: StoredRecord | undefined): boolean {
  if (one === undefined || other === undefined) return one === other;
  return (
    one.version === other.version &&
    one.expiresAtMs === other.expiresAtMs &&
    one.value.text === other.value.text
  );
}

/** A record that expired between the walk of one store and of the other is missing in one of them, and means nothing. */
async function expiredMeanwhile(from: Storage, to: Storage, { wanted, found }: Difference): Promise<boolean> {
  const record = wanted ?? found;
  if (record?.expiresAtMs === undefined || (wanted && found)) return false;
  const answers = await Promise.all([from.read([]), to.read([])]);
  return answers.some(({ nowMs }) => !isMeant(record, nowMs));
}
