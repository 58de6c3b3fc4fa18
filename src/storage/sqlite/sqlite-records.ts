import { type Key, type Put, type RangeQuery, type StoredRecord, Value, type Version } from '../storage.js';
import type { Database, Statement } from 'better-sqlite3';

/** What comparing and writing need to know of a record. An array, for that is the cheapest thing a statement gives. */
export type Head = readonly [id: number, version: Version, expiresAtMs: number | null, text?: string];

/** A whole record as a statement gives it. */
export type Row = readonly [id: number, version: Version, expiresAtMs: number | null, text: string];

/** The statements on the table of records. Whoever calls them has begun a transaction. */
export interface SqliteRecords {
  head(key: Key): Head | undefined;
  row(key: Key): Row | undefined;
  insert(put: Put): void;
  update(head: Head, put: Put): void;
  remove(head: Head): void;
  range(query: RangeQuery): StoredRecord[];
  /** Whether there is anything for `sweep` to do. */
  hasExpired(nowMs: number): boolean;
  /** Deletes, and names what it deleted. */
  sweep(nowMs: number, limit: number): Key[];
}

/** Makes a record of a row. */
export function recordOf(key: Key, row: Row): StoredRecord {
  const [, version, expiresAtMs, text] = row;
  const value = Value.fromText(text);
  return expiresAtMs === null ? { key, version, value } : { key, version, value, expiresAtMs };
}

export function createRecords(database: Database): SqliteRecords {
  const prepare = (sql: string): Statement => database.prepare(sql);
  const head = prepare('SELECT id, version, expires_at_ms FROM record WHERE key = ?').raw();
  const row = prepare('SELECT id, version, expires_at_ms, value FROM record WHERE key = ?').raw();
  const insert = prepare('INSERT INTO record (key, version, value, expires_at_ms) VALUES (?, ?, ?, ?)');
  const update = prepare('UPDATE record SET version = ?, value = ? WHERE id = ?');
  // Apart: SQLite rewrites the index entry of every column that is named here, changed or not.
  const updateExpiry = prepare('UPDATE record SET version = ?, value = ?, expires_at_ms = ? WHERE id = ?');
  const remove = prepare('DELETE FROM record WHERE id = ?');
  const page = (order: 'ASC' | 'DESC'): Statement =>
    prepare(
      `SELECT key, id, version, expires_at_ms, value FROM record
        WHERE key >= ? AND key < ? ORDER BY key ${order} LIMIT ?`,
    ).raw();
  const forward = page('ASC');
  const backward = page('DESC');
  const expired = prepare('SELECT 1 FROM record WHERE expires_at_ms <= ? LIMIT 1');
  const sweep = prepare(
    `DELETE FROM record WHERE id IN
       (SELECT id FROM record WHERE expires_at_ms <= ? ORDER BY expires_at_ms LIMIT ?)
     RETURNING key`,
  ).pluck();

  return {
    head: (key) => head.get(key) as Head | undefined,
    row: (key) => row.get(key) as Row | undefined,
    insert({ key, version, value, expiresAtMs }) {
      insert.run(key, version, value.text, expiresAtMs ?? null);
    },
    update([id, , expiresBeforeAtMs], { version, value, expiresAtMs = null }) {
      if (expiresAtMs === expiresBeforeAtMs) update.run(version, value.text, id);
      else updateExpiry.run(version, value.text, expiresAtMs, id);
    },
    remove: ([id]) => void remove.run(id),
    range({ start, end, limit, reverse }) {
      const rows = (reverse ? backward : forward).all(start, end, limit) as [Key, ...Row][];
      return rows.map(([key, ...found]) => recordOf(key, found));
    },
    hasExpired: (nowMs) => expired.get(nowMs) !== undefined,
    sweep: (nowMs, limit) => sweep.all(nowMs, limit) as Key[],
  };
}
