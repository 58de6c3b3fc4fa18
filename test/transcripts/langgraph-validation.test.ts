import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Ambit, openAmbit } from 'ambit';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { langGraphSaver } from 'ambit/langgraph';
import { tmpdir } from 'node:os';

// LangGraph's tests of savers are written for a runner whose words are global.
Object.assign(globalThis, { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it });
const { deltaChannelHistoryTests, validate } = await import('@langchain/langgraph-checkpoint-validation');

const folder = mkdtempSync(join(tmpdir(), 'ambit-langgraph-'));
/** `npm run suite:langgraph` names a store, one after another; in a run of all tests it is one backend. */
const url = process.env['AMBIT_SUITE_STORAGE'];
const opened: Ambit[] = [];
let stores = 0;

afterAll(async () => {
  for (const ambit of opened.splice(0)) await ambit.close();
  rmSync(folder, { recursive: true, force: true });
});

const initializer = {
  checkpointerName: 'Ambit',
  // Each group of tests expects to be alone with its store.
  async createCheckpointer() {
    const storage = url === undefined ? `sqlite:${join(folder, `${stores++}.db`)}` : placeOf(url);
    const ambit = await openAmbit({ storage, durability: 'none' });
    opened.push(ambit);
    return langGraphSaver(ambit.transcripts);
  },
  async destroyCheckpointer() {
    await opened.pop()?.close();
  },
};

/** A place of its own in the store of a URL. */
function placeOf(base: string): string {
  const number = `${process.pid}-${stores++}`;
  if (base.startsWith('memory:')) return base;
  if (/^(sqlite|file):/.test(base)) return base.replace(/^([a-z]+:[^?]*)/, `$1-${number}`);
  const located = new URL(base);
  located.searchParams.set('namespace', `langgraph-${number}`);
  return located.href;
}

validate(initializer);

// Of the same authors, and not among those that a saver must pass.
describe('beyond their validation', () => {
  deltaChannelHistoryTests(initializer);
});
