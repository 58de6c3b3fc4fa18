import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileStorage } from 'ambit/file';
import { memoryStorage } from 'ambit/memory';
import { Redis } from 'ioredis';
import { redisStorage } from 'ambit/redis';
import { sharedServerUrl } from '../servers/shared-server.js';
import { Client } from 'pg';
import { postgresStorage } from 'ambit/postgres';
import { sqliteStorage } from 'ambit/sqlite';
import { tmpdir } from 'node:os';
import { fakeClock, type TestStore } from 'ambit/testing';

/** How tests open a backend: every suite that runs on all of them reads this list, and a test sees to it that none is missing. */
export interface Backend {
  /** The backend's folder in src/storage, and where there is more than one way to open it, which. */
  readonly name: string;
  /** Makes an empty store. */
  createStore(): TestStore | Promise<TestStore>;
}

export const memoryBackend: Backend = {
  name: 'memory',
  createStore() {
    const clock = fakeClock();
    return { clock, open: () => memoryStorage({ clock }) };
  },
};

function sqliteBackend(eventLoop: 'fast' | 'free'): Backend {
  return {
    name: `sqlite ${eventLoop}`,
    createStore() {
      const clock = fakeClock();
      const directory = mkdtempSync(join(tmpdir(), 'ambit-sqlite-'));
      return {
        clock,
        open: () => sqliteStorage({ path: join(directory, 'ambit.db'), eventLoop, clock }),
        remove: () => rmSync(directory, { recursive: true, force: true }),
      };
    },
  };
}

export const fileBackend: Backend = {
  name: 'file',
  createStore() {
    const clock = fakeClock();
    const directory = mkdtempSync(join(tmpdir(), 'ambit-file-'));
    return {
      clock,
      open: () => fileStorage({ path: directory, clock }),
      remove: () => rmSync(directory, { recursive: true, force: true }),
    };
  },
};

export const sqliteFastBackend: Backend = sqliteBackend('fast');
export const sqliteFreeBackend: Backend = sqliteBackend('free');

let namespaces = 0;

export const redisBackend: Backend = {
  name: 'redis',
  async createStore() {
    const clock = fakeClock();
    const url = await sharedServerUrl('redis');
    const namespace = `test-${process.pid}-${namespaces++}`;
    return {
      clock,
      open: () => redisStorage({ url, namespace, clock }),
      async remove() {
        const client = new Redis(url);
        const keys = await client.keys(`ambit:{${namespace}}:*`);
        if (keys.length > 0) await client.unlink(keys);
        client.disconnect();
      },
    };
  },
};

export const postgresBackend: Backend = {
  name: 'postgres',
  async createStore() {
    const clock = fakeClock();
    const url = await sharedServerUrl('postgres');
    const namespace = `test-${process.pid}-${namespaces++}`;
    return {
      clock,
      open: () => postgresStorage({ url, namespace, clock }),
      async remove() {
        const client = new Client({ connectionString: url });
        await client.connect();
        await client.query(`DROP SCHEMA IF EXISTS "ambit_${namespace}" CASCADE`);
        await client.end();
      },
    };
  },
};

/** `AMBIT_TEST_BACKENDS=memory,sqlite` leaves out all others, by folder: for a proof of one backend, or of rules. */
const chosen: readonly string[] | undefined = process.env['AMBIT_TEST_BACKENDS']?.split(',');

const all: readonly Backend[] = [
  memoryBackend,
  fileBackend,
  sqliteFastBackend,
  sqliteFreeBackend,
  redisBackend,
  postgresBackend,
];

export const backends: readonly Backend[] = all.filter(
  ({ name }) => chosen === undefined || chosen.includes(name.split(' ')[0] ?? ''),
);
