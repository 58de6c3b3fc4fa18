import { compareKeys, type Key, type Peeked, type Storage, type StoredRecord, Value } from 'ambit/storage';
import { fakeClock } from 'ambit/testing';
import { memoryStorage } from 'ambit/memory';
import { type AtOnce, below, inHandle, mapRecords, mapWrites, type Mutant, rewriting } from './mutant.js';

/** Changes the text of every value that is stored. */
function mapText(map: (text: string) => string) {
  return rewriting((transaction) =>
    mapWrites(transaction, (write) =>
      write.kind === 'put' ? { ...write, value: Value.fromText(map(write.value.text)) } : write,
    ),
  );
}

/** Changes the JSON of every value that is stored. */
function mapJson(map: (name: string, json: unknown) => unknown) {
  return mapText((text) => JSON.stringify(JSON.parse(text, map)));
}

/** Stores records under a changed key and gives them back under the one that was asked for. */
function mapKeys(map: (key: Key) => string) {
  return (right: AtOnce): Partial<Storage> => ({
    read(keys) {
      const { records, nowMs } = right.read(keys.map((key) => map(key) as Key));
      return {
        records: records.map((record, index) => record && { ...record, key: keys[index] as Key }),
        nowMs,
      };
    },
    commit: (transactions) =>
      right.commit(
        transactions.map((transaction) =>
          mapWrites(transaction, (write) => ({ ...write, key: map(write.key) as Key })),
        ),
      ),
  });
}

/** Makes `range` of all records that lie between the bounds, both included. */
function ranging(
  choose: (records: StoredRecord[], query: Parameters<Storage['range']>[0]) => StoredRecord[],
) {
  return (right: AtOnce): Partial<Storage> => ({
    range(query) {
      const after = `${query.end}\u0000` as Key;
      const { records, nowMs } = right.range({ start: query.start, end: after, limit: 1_000_000 });
      return { records: choose([...records], query), nowMs };
    },
  });
}

function rightRange(
  records: StoredRecord[],
  { start, end, limit, reverse }: Parameters<Storage['range']>[0],
) {
  const inside = records.filter(({ key }) => compareKeys(key, start) >= 0 && compareKeys(key, end) < 0);
  return (reverse ? inside.toReversed() : inside).slice(0, limit);
}

function sortObject(_: string, json: unknown): unknown {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return json;
  return Object.fromEntries(Object.entries(json).toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Keeps the objects it handed out up to date: an aliased cache. */
function alive(right: AtOnce): Partial<Storage> {
  const handedOut = new Map<Key, StoredRecord>();
  const share = (record: StoredRecord | undefined): StoredRecord | undefined => {
    if (!record) return undefined;
    const known = handedOut.get(record.key) ?? { ...record };
    handedOut.set(record.key, known);
    return Object.assign(known, record);
  };
  return {
    read(keys) {
      const answer = right.read(keys);
      return { ...answer, records: answer.records.map(share) };
    },
    commit(transactions) {
      const answer = right.commit(transactions);
      for (const { key } of transactions.flatMap(({ writes }) => writes)) {
        if (handedOut.has(key)) share(right.read([key]).records[0]);
      }
      return answer;
    },
  };
}

/** Bugs in what is read, and in what becomes of values and keys. */
export const readingMutants: readonly Mutant[] = [
  below('absent keys are left out of what is read', ['read: answers in the order asked'], (right) => ({
    read(keys) {
      const { records, nowMs } = right.read(keys);
      return { records: records.filter((record) => record !== undefined), nowMs };
    },
  })),
  {
    name: 'what is peeked at is what was there first',
    caughtBy: ['read: shows one by one what read answers, where it can'],
    createStore() {
      const clock = fakeClock();
      return {
        clock,
        open() {
          const right = memoryStorage({ clock });
          const seen = new Map<Key, Peeked>();
          const peek = (asked: Key): Peeked | undefined => {
            const found = seen.get(asked) ?? right.peek?.(asked);
            // A copy: what memory shows is written over by the next commit.
            if (found) seen.set(asked, { ...found });
            return found;
          };
          return { ...right, peek };
        },
      };
    },
  },
  below('each key is read once', ['read: answers in the order asked'], (right) => ({
    read: (keys) => right.read([...new Set(keys)]),
  })),
  below('records are read in key order', ['read: answers in the order asked'], (right) => ({
    read: (keys) => right.read(keys.toSorted(compareKeys)),
  })),
  below(
    'nothing is found by who asks for nothing',
    ['read: answers the time alone when asked for nothing'],
    (right) => ({
      read(keys) {
        if (keys.length === 0) throw new RangeError('IN ()');
        return right.read(keys);
      },
    }),
  ),
  below('what is absent is null', ['read: answers undefined for what is absent'], (right) => ({
    read(keys) {
      const { records, nowMs } = right.read(keys);
      return { records: records.map((record) => record ?? (null as unknown as undefined)), nowMs };
    },
  })),
  below('at most 1,000 keys are read', ['read: finds thousands of keys at once'], (right) => ({
    read(keys) {
      const { records, nowMs } = right.read(keys);
      return { records: records.map((record, index) => (index < 1_000 ? record : undefined)), nowMs };
    },
  })),
  inHandle(
    'keys are read one by one',
    ['read: sees no transaction by half while others commit'],
    (right) => ({
      async read(keys) {
        const records = [];
        for (const key of keys) records.push(...(await right.read([key])).records);
        return { records, nowMs: (await right.read([])).nowMs };
      },
    }),
  ),
  below(
    'records that were handed out change',
    ['commit: leaves records that were handed out as they were'],
    alive,
  ),
  below(
    'keys are compared without regard to case',
    ['read: tells keys apart that are nearly the same'],
    mapKeys((key) => key.toLowerCase()),
  ),
  below(
    'keys lose the spaces at their end',
    ['read: tells keys apart that are nearly the same'],
    mapKeys((key) => key.replace(/(!`)* $/, '')),
  ),
  below(
    'keys are normalised',
    ['read: tells keys apart that are nearly the same'],
    mapKeys((key) => key.normalize('NFC')),
  ),
  below(
    'keys are cut at 1,024 characters',
    ['limits: takes keys of 2,048 bytes'],
    mapKeys((key) => key.slice(0, 1_024)),
  ),
  below(
    'every value is null',
    ['value: nested', 'range: answers whole records'],
    mapText(() => 'null'),
  ),
  below(
    'values are kept as jsonb keeps them: members are sorted',
    ['value: keys that are not sorted'],
    mapJson(sortObject),
  ),
  below(
    'values lose NUL',
    ['value: NUL', 'value: all control characters'],
    mapText((text) => text.replaceAll('\\u0000', '')),
  ),
  below(
    'values are normalised',
    ['value: combining marks, which must not be normalised'],
    mapText((text) => text.normalize('NFC')),
  ),
  below(
    'values lose characters of 4 bytes',
    ['value: unicode of 2, 3 and 4 bytes'],
    mapText((text) => text.replace(/\p{Surrogate}|[\u{10000}-\u{10FFFF}]/gu, '?')),
  ),
  below(
    'values keep 15 digits',
    ['value: the largest exact integers', 'value: the ends of doubles'],
    mapJson((_, json) => (typeof json === 'number' ? Number(json.toPrecision(15)) : json)),
  ),
  below(
    'empty arrays become empty objects',
    ['value: an empty array', 'value: nested'],
    mapJson((_, json) => (Array.isArray(json) && json.length === 0 ? {} : json)),
  ),
  below(
    'empty objects become empty arrays',
    ['value: an empty object'],
    mapJson((_, json) => (JSON.stringify(json) === '{}' ? [] : json)),
  ),
  below(
    'a member called __proto__ is lost',
    ['value: a key called __proto__'],
    mapText((text) => text.replace(/"__proto__":\{[^}]*\},/, '')),
  ),
  below(
    'members without a name are lost',
    ['value: an empty key'],
    mapText((text) => text.replaceAll('"":', '"?":')),
  ),
  below(
    'an empty string is null',
    ['value: an empty string'],
    mapText((text) => (text === '""' ? 'null' : text)),
  ),
  below(
    'null is not stored',
    ['value: null'],
    mapText((text) => (text === 'null' ? '{}' : text)),
  ),
  below(
    'true is 1',
    ['value: booleans'],
    mapText((text) => text.replaceAll('true', '1')),
  ),
  below(
    'escaped line feeds are unescaped',
    ['value: line feeds and separators'],
    mapText((text) => text.replaceAll('\\n', ' ')),
  ),
  below(
    'quotes are doubled',
    ['value: quotes and backslashes'],
    mapText((text) => text.replaceAll("'", "''")),
  ),
  below(
    '-0 is kept as such',
    ['value: numbers that are not as they are written'],
    mapText((text) => text.replace(/\[1,0,/, '[1,-0,')),
  ),
  below(
    'numbers in strings become numbers',
    ['value: strings that look like numbers'],
    mapJson((_, json) => (typeof json === 'string' && /^[0-9]+$/.test(json) ? Number(json) : json)),
  ),
  below(
    'values are cut at 64 KiB',
    ['value: a long string', 'limits: takes a value of 1 MiB'],
    mapText((text) => (text.length > 65_536 ? `${text.slice(0, 65_535)}"` : text)),
  ),
  below(
    'objects keep 1,000 members',
    ['value: many members'],
    mapJson((_, json) =>
      typeof json === 'object' && json !== null && !Array.isArray(json)
        ? Object.fromEntries(Object.entries(json).slice(0, 1_000))
        : json,
    ),
  ),
];

/** Bugs in ranges. */
export const rangeMutants: readonly Mutant[] = [
  below('a range answers what is not in it', ['range: answers nothing where nothing is'], (right) => ({
    range: (query) => right.range({ ...query, start: '' as Key, end: '%' as Key }),
  })),
  below(
    'ranges sort by UTF-16',
    ['range: goes by code point'],
    ranging((records, query) => {
      const sorted = rightRange(records, { ...query, reverse: false, limit: 1_000 }).toSorted((a, b) =>
        a.key < b.key ? -1 : 1,
      );
      return (query.reverse ? sorted.reverse() : sorted).slice(0, query.limit);
    }),
  ),
  below(
    'ranges are not sorted',
    ['range: goes by code point', 'range: stops at its limit'],
    ranging((records, query) =>
      rightRange(records, query).toSorted((a, b) => (a.version < b.version ? 1 : -1)),
    ),
  ),
  below(
    'the end of a range is included',
    ['range: includes its start and not its end, wherever they are'],
    ranging((records, query) => {
      const inside = records.filter(({ key }) => compareKeys(key, query.start) >= 0);
      return (query.reverse ? inside.reverse() : inside).slice(0, query.limit);
    }),
  ),
  below(
    'the start of a range is not included',
    ['range: includes its start and not its end, wherever they are'],
    ranging((records, query) => rightRange(records, query).filter(({ key }) => key !== query.start)),
  ),
  below(
    'a reverse range is the start of the other, reversed',
    ['range: stops at its limit'],
    ranging((records, query) => {
      const page = rightRange(records, { ...query, reverse: false });
      return query.reverse ? page.reverse() : page;
    }),
  ),
  below(
    'ranges only go forwards',
    ['range: gives every record once', 'range: goes by code point'],
    ranging((records, query) => rightRange(records, { ...query, reverse: false })),
  ),
  below(
    'a range goes one past its limit',
    ['range: stops at its limit'],
    ranging((records, query) => rightRange(records, { ...query, limit: query.limit + 1 })),
  ),
  below(
    'a range answers at most 100',
    ['range: gives every record once'],
    ranging((records, query) => rightRange(records, query).slice(0, 100)),
  ),
  below('a range hides what expired', ['expiry: hides nothing'], (right, clock) => ({
    range(query) {
      const { records, nowMs } = right.range(query);
      return { records: records.filter(({ expiresAtMs = Infinity }) => expiresAtMs > clock()), nowMs };
    },
  })),
  below('a range leaves out the expiry', ['range: answers whole records'], (right) => ({
    range(query) {
      const { records, nowMs } = right.range(query);
      return { records: records.map(({ key, version, value }) => ({ key, version, value })), nowMs };
    },
  })),
  below('what was deleted stays in ranges', ['range: follows what is created and deleted'], (right) => {
    const deleted: StoredRecord[] = [];
    return {
      commit(transactions) {
        for (const { kind, key } of transactions.flatMap(({ writes }) => writes)) {
          const record = right.read([key]).records[0];
          if (kind === 'delete' && record) deleted.push(record);
        }
        return right.commit(transactions);
      },
      range: (query) =>
        ranging((records) => {
          const all = [...records, ...deleted].toSorted((a, b) => compareKeys(a.key, b.key));
          return rightRange(all, query);
        })(right).range?.(query) ?? right.range(query),
    };
  }),
  below('bounds must be keys', ['range: takes bounds that are no keys'], (right) => ({
    range(query) {
      if (!query.end.endsWith(' ')) throw new RangeError(`${query.end} is no key`);
      return right.range(query);
    },
  })),
];

/** Bugs in expiry and sweeping. */
export const expiryMutants: readonly Mutant[] = [
  below('what expired is absent for readers', ['expiry: hides nothing'], (right, clock) =>
    mapRecords((record) => ((record.expiresAtMs ?? Infinity) <= clock() ? undefined : record))(right),
  ),
  below(
    'a put without expiry keeps the old one',
    ['expiry: is set, changed and cleared by each put'],
    rewriting((transaction, right) =>
      mapWrites(transaction, (write) => {
        const kept = right.read([write.key]).records[0]?.expiresAtMs;
        return write.kind === 'put' && kept !== undefined ? { expiresAtMs: kept, ...write } : write;
      }),
    ),
  ),
  below(
    'expiry is not stored',
    ['expiry: is set, changed and cleared by each put', 'sweep: deletes what expired'],
    rewriting((transaction) =>
      mapWrites(transaction, (write) => {
        if (write.kind !== 'put') return write;
        const { expiresAtMs: _, ...others } = write;
        return others;
      }),
    ),
  ),
  below(
    'expiry is kept in 32 bits',
    ['expiry: is set, changed and cleared by each put'],
    rewriting((transaction) =>
      mapWrites(transaction, (write) =>
        write.kind === 'put' && write.expiresAtMs !== undefined
          ? { ...write, expiresAtMs: write.expiresAtMs % 2 ** 32 }
          : write,
      ),
    ),
  ),
  below(
    'sweep goes by the first expiry of a key, whatever came later',
    ['sweep: leaves alone what was renewed'],
    (right, clock) => {
      const first = new Map<Key, number>();
      return {
        commit(transactions) {
          for (const write of transactions.flatMap(({ writes }) => writes)) {
            if (write.kind === 'put' && write.expiresAtMs !== undefined && !first.has(write.key))
              first.set(write.key, write.expiresAtMs);
          }
          return right.commit(transactions);
        },
        sweep(limit) {
          const due = [...first].filter(([, expiresAtMs]) => expiresAtMs <= clock()).slice(0, limit);
          const keys = due.flatMap(([key]) => {
            first.delete(key);
            const expected = right.read([key]).records[0]?.version;
            if (expected === undefined) return [];
            right.commit([{ writes: [{ kind: 'delete', key, expected }] }]);
            return [key];
          });
          return { keys, nowMs: clock() };
        },
      };
    },
  ),
  below('sweep names what it did not delete', ['sweep: deletes what expired'], (right, clock) => ({
    sweep(limit) {
      const all = right.range({ start: '' as Key, end: '%' as Key, limit: 1_000 }).records;
      const expired = all.filter(({ expiresAtMs = Infinity }) => expiresAtMs <= clock()).slice(0, limit);
      return { keys: expired.map(({ key }) => key), nowMs: clock() };
    },
  })),
  below('sweep does nothing', ['sweep: deletes what expired', 'sweep: leaves a key as if'], (right) => ({
    sweep: () => ({ keys: [], nowMs: right.read([]).nowMs }),
  })),
  below('sweep takes what has not expired', ['sweep: deletes what expired'], (right, clock) => ({
    sweep(limit) {
      clock.advance(7_200_000);
      const answer = right.sweep(limit);
      clock.advance(-7_200_000);
      return answer;
    },
  })),
  below('sweep goes beyond its limit', ['sweep: deletes no more than it may'], (right) => ({
    sweep: (limit) => right.sweep(limit + 1),
  })),
  below('sweep deletes more than it names', ['sweep: deletes no more than it may'], (right) => ({
    sweep(limit) {
      const { keys, nowMs } = right.sweep(limit * 2);
      return { keys: keys.slice(0, limit), nowMs };
    },
  })),
  below('sweep names a key twice', ['sweep: deletes what expired'], (right) => ({
    sweep(limit) {
      const { keys, nowMs } = right.sweep(limit);
      return { keys: keys.length > 1 && keys.length < limit ? [...keys, ...keys.slice(0, 1)] : keys, nowMs };
    },
  })),
  below(
    'sweep names what somebody deleted',
    ['sweep: names nothing that was deleted before it came'],
    (right) => {
      const deleted: Key[] = [];
      return {
        commit(transactions) {
          for (const { kind, key } of transactions.flatMap(({ writes }) => writes))
            if (kind === 'delete') deleted.push(key);
          return right.commit(transactions);
        },
        sweep(limit) {
          const { keys, nowMs } = right.sweep(limit);
          return { keys: [...keys, ...deleted.splice(0)].slice(0, limit), nowMs };
        },
      };
    },
  ),
  below('sweep leaves a tombstone', ['sweep: leaves a key as if it had never been'], (right) => ({
    sweep(limit) {
      const { keys, nowMs } = right.sweep(limit);
      const tombs = keys.map(
        (key) => ({ kind: 'put', key, expected: null, version: 'tomb', value: Value.of(null) }) as const,
      );
      right.commit([{ writes: tombs }]);
      return { keys, nowMs };
    },
  })),
  below(
    'sweep comes a millisecond late',
    ['sweep: may come at the very millisecond, and no earlier'],
    (right, clock) => ({
      sweep(limit) {
        clock.advance(-1);
        const answer = right.sweep(limit);
        clock.advance(1);
        return answer;
      },
    }),
  ),
];
