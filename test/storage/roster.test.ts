import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { backends } from './backends.js';

const storageFolder = new URL('../../src/storage/', import.meta.url);
const folders = readdirSync(storageFolder, { withFileTypes: true })
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);

describe('no backend is forgotten', () => {
  test('there are backends', () => {
    expect(folders).toContain('memory');
  });

  test.each(folders)(
    '%s holds a storage, has a runner of the contract suite, and is in the roster',
    (folder) => {
      const source = new URL(`${folder}/${folder}-storage.ts`, storageFolder);
      expect(
        existsSync(source),
        `src/storage/${folder}/${folder}-storage.ts: name the backend's file so`,
      ).toBe(true);
      const runner = new URL(`${folder}-storage.test.ts`, import.meta.url);
      expect(existsSync(runner), `test/storage/${folder}-storage.test.ts: run the contract suite there`).toBe(
        true,
      );
      expect(readFileSync(runner, 'utf8')).toContain('runContract(');
      const listed = backends.filter(({ name }) => name === folder || name.startsWith(`${folder} `));
      expect(
        listed.length,
        `test/storage/backends.ts: list ${folder}, so that every suite runs on it`,
      ).toBeGreaterThan(0);
    },
  );

  test.each(backends.map((backend) => [backend.name, backend] as const))(
    '%s is listed under the name it gives itself',
    async (name, backend) => {
      const store = await backend.createStore();
      const storage = await store.open();
      try {
        expect(folders).toContain(storage.capabilities.name);
        expect(name.split(' ')[0]).toBe(storage.capabilities.name);
      } finally {
        await storage.close();
        await store.remove?.();
      }
    },
  );
});
