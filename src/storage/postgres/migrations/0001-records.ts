/**
 * Schema 1. Never edited once released: a change is a further migration.
 *
 * Keys compare by the bytes of UTF-8 (collation "C"), which is the order of keys. Half of each page is left free, and no
 * index holds what a call changes, so that an update of a hot row stays on its page (a "heap-only tuple"). A row with an
 * empty version is a placeholder: it locks a key under which nothing lies, and never outlives its transaction.
 *
 * The functions take lists joined into one text each, which the server takes apart faster than arrays or JSON. They run
 * in READ COMMITTED, where each of their statements sees what was committed before it: in one statement, a row that
 * somebody else inserts meanwhile would be skipped silently, and the rest of its transaction written.
 *
 * Each is told the schema that its caller knows, and refuses one that is not the store's. It looks once it holds its locks on
 * the table: a migration locks the table before it changes anything, so that a call either ends before it or sees that it
 * came.
 *
 * @param schema the namespace, as a quoted identifier
 */
export function records(schema: string): string {
  return `
    CREATE TABLE ${schema}.record (
      key           text COLLATE "C" PRIMARY KEY,
      version       text COLLATE "C" NOT NULL,
      value         text NOT NULL,
      expires_at_ms bigint
    ) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
    CREATE INDEX record_by_expiry ON ${schema}.record (expires_at_ms) WHERE expires_at_ms IS NOT NULL;
    ${readRecords(schema)}
    ${lockRecords(schema)}
    ${checkGroup(schema)}
    ${putGroup(schema)}
    ${commitGroup(schema)}
    ${rangeRecords(schema)}
    ${sweepRecords(schema)}
  `;
}

/** The store's clock; a test may bring its own along. */
const nowMs =
  'coalesce(clock_ms, pg_catalog.floor(extract(epoch FROM pg_catalog.clock_timestamp()) * 1000)::bigint)';

/**
 * By index, key after key in the order they are given, and planned once: a plan made while the table was small would be
 * kept when it is large. And never compiled, which takes longer than all the rest.
 */
const planning =
  'SET search_path = pg_catalog, pg_temp SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off ' +
  'SET jit = off SET plan_cache_mode = force_generic_plan';

/** At the commit that follows, the log is flushed before it is answered, whatever the role or database is set to. */
const pinDurability = `
      IF current_setting('synchronous_commit') NOT IN ('on', 'remote_apply') THEN
        PERFORM set_config('synchronous_commit', 'on', true);
      END IF;`;

/** After a row that says the time and comes only where the schema is the one that the caller knows. */
const refuseOthers = `
      IF NOT FOUND THEN
        RAISE EXCEPTION 'the schema changed' USING ERRCODE = 'AMB01';
      END IF;`;

/** Nobody waits longer for a row. */
const boundWaiting = `
      PERFORM set_config('lock_timeout', lock_ms::text, true);`;

/** The records under keys (joined by line feeds), by their position from 1; the row of position 0 says the time. */
function readRecords(schema: string): string {
  return `
    CREATE FUNCTION ${schema}.read_records(known int, keys text, clock_ms bigint)
      RETURNS TABLE (entry int, found_version text, found_value text, found_expires_at_ms bigint)
      LANGUAGE plpgsql STABLE ${planning} AS $body$
    BEGIN
      RETURN QUERY SELECT 0, NULL::text, NULL::text, ${nowMs}
        FROM ${schema}.schema_version v WHERE v.version = known;
      ${refuseOthers}
      RETURN QUERY
        SELECT w.i::int, r.version, r.value, r.expires_at_ms
          FROM unnest(CASE keys WHEN '' THEN ARRAY[''] ELSE string_to_array(keys, E'\\n') END)
               WITH ORDINALITY AS w(k, i)
          JOIN ${schema}.record r ON r.key = w.k
         WHERE r.version <> '';
    END $body$;`;
}

/**
 * Locks keys (each named once) in their order, with placeholders where nothing lies, and then reads their records.
 * Placeholders come with an empty version: the caller removes them by commit_group, or rolls back.
 */
function lockRecords(schema: string): string {
  return `
    CREATE FUNCTION ${schema}.lock_records(known int, keys text, lock_ms int, clock_ms bigint)
      RETURNS TABLE (entry int, found_version text, found_value text, found_expires_at_ms bigint)
      LANGUAGE plpgsql VOLATILE ${planning} AS $body$
    DECLARE
      ks text[] := CASE keys WHEN '' THEN ARRAY[''] ELSE string_to_array(keys, E'\\n') END;
      locked bigint;
    BEGIN
      ${boundWaiting}
      INSERT INTO ${schema}.record AS r (key, version, value)
        SELECT w.k, '', '' FROM unnest(ks) AS w(k)
         WHERE NOT EXISTS (SELECT 1 FROM ${schema}.record f WHERE f.key = w.k)
         ORDER BY w.k COLLATE "C"
        ON CONFLICT DO NOTHING;
      PERFORM 1 FROM ${schema}.record r WHERE r.key = ANY (ks) ORDER BY r.key FOR UPDATE;
      GET DIAGNOSTICS locked = ROW_COUNT;
      -- A record that was there was deleted before it was locked. To wait for its key now, with others held, could end
      -- in a deadlock: the caller begins anew.
      IF locked < coalesce(cardinality(ks), 0) THEN
        RAISE EXCEPTION 'a key was deleted meanwhile' USING ERRCODE = '40001';
      END IF;
      RETURN QUERY SELECT 0, NULL::text, NULL::text, ${nowMs}
        FROM ${schema}.schema_version v WHERE v.version = known;
      ${refuseOthers}
      RETURN QUERY
        SELECT w.i::int, r.version, r.value, r.expires_at_ms
          FROM unnest(ks) WITH ORDINALITY AS w(k, i) JOIN ${schema}.record r ON r.key = w.k;
    END $body$;`;
}

/**
 * Compares versions in one snapshot, locks nothing and writes nothing. Answers all entries of each transaction that does
 * not hold, with what lies under them now, and the time after that: the caller tells from it what is late.
 */
function checkGroup(schema: string): string {
  return `
    CREATE FUNCTION ${schema}.check_group(known int, keys text, owners text, expected text, clock_ms bigint)
      RETURNS TABLE (
        owner int, entry int, found_version text, found_value text, found_expires_at_ms bigint)
      LANGUAGE plpgsql STABLE ${planning} AS $body$
    DECLARE
      ks text[] := CASE keys WHEN '' THEN ARRAY[''] ELSE string_to_array(keys, E'\\n') END;
      ts int[] := string_to_array(owners, ',')::int[];
      failed int[];
    BEGIN
      failed := ARRAY(
        SELECT DISTINCT w.t
          FROM unnest(ks, ts, string_to_array(expected, ',', '')) AS w(k, t, o)
          LEFT JOIN ${schema}.record r ON r.key = w.k
         WHERE coalesce(r.version, '') <> coalesce(w.o, ''));
      IF cardinality(failed) > 0 THEN
        RETURN QUERY
          SELECT w.t, w.i::int, r.version, r.value, r.expires_at_ms
            FROM unnest(ks, ts) WITH ORDINALITY AS w(k, t, i)
            LEFT JOIN ${schema}.record r ON r.key = w.k AND r.version <> ''
           WHERE w.t = ANY (failed);
      END IF;
      RETURN QUERY SELECT 0, 0, NULL::text, NULL::text, ${nowMs}
        FROM ${schema}.schema_version v WHERE v.version = known;
      ${refuseOthers}
    END $body$;`;
}

/**
 * The lean way of a group in which each transaction is one put over a record that was there. An UPDATE waits for whoever
 * holds a row and then compares its newest version, so it needs no lock before. Rows are taken in the order of keys: the
 * sorted list drives the join. Answers as commit_group does.
 */
function putGroup(schema: string): string {
  return `
    CREATE FUNCTION ${schema}.put_group(
        known int, keys text, expected text, versions text, vals text, expiries text, deadlines text, lock_ms int, clock_ms bigint)
      RETURNS TABLE (
        owner int, entry int, found_version text, found_value text, found_expires_at_ms bigint)
      LANGUAGE plpgsql VOLATILE ${planning} AS $body$
    DECLARE
      ks text[] := CASE keys WHEN '' THEN ARRAY[''] ELSE string_to_array(keys, E'\\n') END;
      os text[] := string_to_array(expected, ',');
      ds bigint[] := string_to_array(deadlines, ',', '')::bigint[];
      done int[];
      first_deadline bigint;
    BEGIN
      ${pinDurability}
      ${boundWaiting}
      WITH written AS (
        UPDATE ${schema}.record r SET version = w.n, value = w.j, expires_at_ms = w.x
          FROM (SELECT * FROM unnest(ks, os, string_to_array(versions, ','), string_to_array(vals, E'\\n'),
                                     string_to_array(expiries, ',', '')::bigint[], ds)
                              WITH ORDINALITY AS u(k, o, n, j, x, d, i)
                 ORDER BY u.k COLLATE "C") w
         WHERE r.key = w.k AND r.version = w.o AND (w.d IS NULL OR w.d >= ${nowMs})
        RETURNING w.i, w.d)
      SELECT array_agg(i), min(d) INTO done, first_deadline FROM written;
      -- It may have waited for a row after it had looked at the clock. Tried again, the transaction is late.
      IF first_deadline < ${nowMs} THEN
        RAISE EXCEPTION 'late' USING ERRCODE = '40001';
      END IF;
      RETURN QUERY SELECT 0, 0, NULL::text, NULL::text, ${nowMs}
        FROM ${schema}.schema_version v WHERE v.version = known;
      ${refuseOthers}
      IF coalesce(cardinality(done), 0) < cardinality(ks) THEN
        RETURN QUERY
          SELECT w.i::int, CASE WHEN r.version = w.o THEN 0 ELSE w.i::int END, r.version, r.value, r.expires_at_ms
            FROM unnest(ks, os) WITH ORDINALITY AS w(k, o, i)
            LEFT JOIN ${schema}.record r ON r.key = w.k
           WHERE done IS NULL OR w.i <> ALL (done);
      END IF;
    END $body$;`;
}

/**
 * Tries each transaction of a group by itself. One entry for each write, in any order: its key, the number of its
 * transaction (from 1), the version expected (empty: absent), the version put (empty: a check, \`!\`: a delete), value and
 * expiry. \`deadlines\` has one for each transaction; \`placeholders\` are keys that lock_records may have filled.
 *
 * Answers rows of owner, entry, record: (0, 0) with the time as the expiry; (t, 0) for each transaction that is late;
 * and all entries of each that conflicts, with what lies under them now. The others are written.
 */
function commitGroup(schema: string): string {
  return `
    CREATE FUNCTION ${schema}.commit_group(
        known int, keys text, owners text, expected text, versions text, vals text, expiries text, deadlines text,
        placeholders text, lock_ms int, clock_ms bigint)
      RETURNS TABLE (
        owner int, entry int, found_version text, found_value text, found_expires_at_ms bigint)
      LANGUAGE plpgsql VOLATILE ${planning} AS $body$
    DECLARE
      ks text[] := CASE keys WHEN '' THEN ARRAY[''] ELSE string_to_array(keys, E'\\n') END;
      ts int[] := string_to_array(owners, ',')::int[];
      os text[] := string_to_array(expected, ',', '');
      ns text[] := string_to_array(versions, ',', '');
      js text[] := string_to_array(vals, E'\\n', '');
      xs bigint[] := string_to_array(expiries, ',', '')::bigint[];
      creates boolean := cardinality(os) = 0 OR array_position(os, NULL) IS NOT NULL;
      failed int[];
      dropped int[];
      now_ms bigint;
    BEGIN
      ${pinDurability}
      ${boundWaiting}

      -- 1. Placeholders for what is expected to be absent: they are the lock. In the order of keys, as all locks. They
      --    expire with the record, so that the update which makes a record of them touches no index.
      IF creates THEN
        INSERT INTO ${schema}.record AS r (key, version, value, expires_at_ms)
          SELECT w.k, '', '', w.x FROM unnest(ks, os, xs) AS w(k, o, x)
           WHERE w.o IS NULL
           ORDER BY w.k COLLATE "C"
          ON CONFLICT DO NOTHING;
      END IF;

      -- 2. What is expected to be there is locked.
      PERFORM 1 FROM ${schema}.record r
        WHERE r.key = ANY (ARRAY(SELECT w.k FROM unnest(ks, os) AS w(k, o) WHERE w.o IS NOT NULL))
        ORDER BY r.key FOR UPDATE;

      -- 3. A new statement, and so a new snapshot: whatever was committed before the locks were had is seen. Of
      --    placeholders only our own are.
      failed := ARRAY(
        SELECT DISTINCT w.t
          FROM unnest(ks, ts, os) AS w(k, t, o)
          LEFT JOIN ${schema}.record r ON r.key = w.k
         WHERE r.version IS DISTINCT FROM coalesce(w.o, ''));
      IF cardinality(failed) > 0 THEN
        RETURN QUERY
          SELECT w.t, w.i::int, r.version, r.value, r.expires_at_ms
            FROM unnest(ks, ts) WITH ORDINALITY AS w(k, t, i)
            LEFT JOIN ${schema}.record r ON r.key = w.k AND r.version <> ''
           WHERE w.t = ANY (failed);
      END IF;
      now_ms := ${nowMs};
      dropped := failed || ARRAY(
        SELECT d.i::int FROM unnest(string_to_array(deadlines, ',', '')::bigint[]) WITH ORDINALITY AS d(d, i)
         WHERE d.d < now_ms AND NOT d.i = ANY (failed));

      -- 4. Nothing was replaced until now.
      UPDATE ${schema}.record r SET version = w.n, value = w.j, expires_at_ms = w.x
        FROM unnest(ks, ts, ns, js, xs) AS w(k, t, n, j, x)
       WHERE r.key = w.k AND w.n <> '!' AND NOT w.t = ANY (dropped);
      IF array_position(ns, '!') IS NOT NULL THEN
        DELETE FROM ${schema}.record r USING unnest(ks, ts, ns) AS w(k, t, n)
         WHERE r.key = w.k AND w.n = '!' AND NOT w.t = ANY (dropped);
      END IF;

      -- 5. Placeholders that did not become records go.
      IF creates THEN
        DELETE FROM ${schema}.record r USING unnest(ks, os) AS w(k, o)
         WHERE r.key = w.k AND w.o IS NULL AND r.version = '';
      END IF;
      IF placeholders IS NOT NULL THEN
        DELETE FROM ${schema}.record r
          USING unnest(CASE placeholders WHEN '' THEN ARRAY[''] ELSE string_to_array(placeholders, E'\\n') END) AS p(k)
         WHERE r.key = p.k AND r.version = '';
      END IF;

      RETURN QUERY SELECT 0, 0, NULL::text, NULL::text, now_ms
        FROM ${schema}.schema_version v WHERE v.version = known;
      ${refuseOthers}
      IF cardinality(dropped) > cardinality(failed) THEN
        RETURN QUERY SELECT d.t, 0, NULL::text, NULL::text, NULL::bigint FROM unnest(dropped) AS d(t)
         WHERE NOT d.t = ANY (failed);
      END IF;
    END $body$;`;
}

/** A page of records in the order of keys; the row without a key says the time. */
function rangeRecords(schema: string): string {
  const page = (order: 'ASC' | 'DESC'): string => `
        RETURN QUERY SELECT r.key, r.version, r.value, r.expires_at_ms FROM ${schema}.record r
          WHERE r.key >= first_key AND r.key < end_key AND r.version <> '' ORDER BY r.key ${order} LIMIT most;`;
  return `
    CREATE FUNCTION ${schema}.range_records(
        known int, first_key text, end_key text, most int, backward boolean, clock_ms bigint)
      RETURNS TABLE (found_key text, found_version text, found_value text, found_expires_at_ms bigint)
      LANGUAGE plpgsql STABLE ${planning} AS $body$
    BEGIN
      RETURN QUERY SELECT NULL::text, NULL::text, NULL::text, ${nowMs}
        FROM ${schema}.schema_version v WHERE v.version = known;
      ${refuseOthers}
      IF backward THEN ${page('DESC')}
      ELSE ${page('ASC')}
      END IF;
    END $body$;`;
}

/**
 * Deletes records that have expired, and names them. It waits for nobody, so it can be part of no deadlock: what others
 * hold locked is left for the next time.
 */
function sweepRecords(schema: string): string {
  return `
    CREATE FUNCTION ${schema}.sweep_records(known int, most int, clock_ms bigint)
      RETURNS TABLE (swept_key text, now_ms bigint)
      LANGUAGE plpgsql VOLATILE ${planning} AS $body$
    DECLARE
      as_of_ms bigint := ${nowMs};
    BEGIN
      RETURN QUERY
        DELETE FROM ${schema}.record r WHERE r.key = ANY (ARRAY(
            SELECT e.key FROM ${schema}.record e WHERE e.expires_at_ms <= as_of_ms
             ORDER BY e.expires_at_ms LIMIT most FOR UPDATE SKIP LOCKED))
        RETURNING r.key, NULL::bigint;
      RETURN QUERY SELECT NULL::text, as_of_ms
        FROM ${schema}.schema_version v WHERE v.version = known;
      ${refuseOthers}
    END $body$;`;
}
