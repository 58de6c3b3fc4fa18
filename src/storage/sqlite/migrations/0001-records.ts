/**
 * Schema 1. Never edited once released: a change is a further migration.
 *
 * A rowid table, although its key is stored a second time in the index of UNIQUE: a table WITHOUT ROWID moves rows over
 * 231 bytes to pages of their own (at 1 KiB a page), which halves the throughput of updates. TEXT compares as BINARY:
 * the bytes of UTF-8, which is the order of keys. Only records that expire are in the index on expiry.
 */
export const records = `
  CREATE TABLE record (
    id            INTEGER PRIMARY KEY,
    key           TEXT    NOT NULL UNIQUE,
    version       TEXT    NOT NULL,
    value         TEXT    NOT NULL,
    expires_at_ms INTEGER
  ) STRICT;
  CREATE INDEX record_by_expiry ON record (expires_at_ms) WHERE expires_at_ms IS NOT NULL;
`;
