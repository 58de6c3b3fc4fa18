import assert from 'node:assert/strict';
import { type Key, type Storage, type Transaction, Value, type Write } from 'ambit/storage';
import type { FakeClock, TestStore } from 'ambit/testing';
import fc from 'fast-check';
import {
  modelBounds,
  modelKeys,
  type StorageCommand,
  storageCommands,
  type TransactionDraft,
  type WriteDraft,
} from './storage-commands.js';
import { plainOutcome, plainRecord, StorageModel } from './storage-model.js';

/**
 * Gives random commands to a store and to a model of it, and compares every answer and, at the end, everything stored.
 * On a store that many may write to the commands go to two handles.
 */
export async function runStorageModel(
  createStore: () => TestStore | Promise<TestStore>,
  options: { readonly runs: number; readonly seed?: number },
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(storageCommands, async (commands) => {
      const store = await createStore();
      const run = new ModelRun(store);
      try {
        await run.open();
        for (const { handle, command } of commands) await run.step(handle, command);
        await run.compareAll();
      } finally {
        await run.close();
        await store.remove?.();
      }
    }),
    { numRuns: options.runs, ...(options.seed !== undefined && { seed: options.seed }) },
  );
}

class ModelRun {
  readonly #store: TestStore;
  readonly #clock: FakeClock | undefined;
  readonly #model = new StorageModel();
  #handles: Storage[] = [];
  #nowMs = 0;
  #minted = 0;
  #sent: readonly Transaction[] = [];

  constructor(store: TestStore) {
    this.#store = store;
    this.#clock = store.clock;
  }

  async open(): Promise<void> {
    const first = await this.#store.open();
    this.#handles = [first];
    if (first.capabilities.sharing !== 'exclusive') this.#handles.push(await this.#store.open());
    this.#observe(await first.read([]));
  }

  async close(): Promise<void> {
    for (const handle of this.#handles) await handle.close();
  }

  async step(handle: number, command: StorageCommand): Promise<void> {
    const storage = this.#handles[handle % this.#handles.length] as Storage;
    switch (command.kind) {
      case 'read':
        return this.#read(storage, command.keys.map(keyAt));
      case 'commit':
        return this.#commit(storage, this.#transactionsOf(command.transactions));
      case 'resend':
        return this.#commit(storage, this.#sent);
      case 'locked':
        return this.#locked(storage, command);
      case 'range':
        return this.#range(storage, command);
      case 'sweep':
        return this.#sweep(storage, command.limit);
      case 'advance':
        this.#clock?.advance(command.ms);
        this.#observe(await storage.read([]));
        return undefined;
      case 'reopen':
        if (storage.capabilities.durability.level === 'none') return undefined;
        await this.close();
        return this.open();
    }
  }

  async compareAll(): Promise<void> {
    for (const storage of this.#handles) {
      await this.#read(storage, modelKeys);
      const { records } = await storage.range({ start: '' as Key, end: '%' as Key, limit: 1_000 });
      assert.deepEqual(
        records.map(plainRecord),
        this.#model.range({ start: '' as Key, end: '%' as Key, limit: 1_000 }),
      );
    }
  }

  async #read(storage: Storage, keys: readonly Key[]): Promise<void> {
    const answer = await storage.read(keys);
    this.#observe(answer);
    const expected = this.#model.read(keys);
    assert.deepEqual(answer.records.map(plainRecord), expected);
    if (!storage.peek) return;
    const peeked = keys.map((key) => storage.peek?.(key));
    assert.deepEqual(
      peeked.map((one) => one && [one.version, one.value.text]),
      expected.map((one) => one && [one.version, one.text]),
    );
  }

  async #commit(storage: Storage, transactions: readonly Transaction[]): Promise<void> {
    const answer = await storage.commit(transactions);
    this.#observe(answer);
    assert.deepEqual(answer.outcomes.map(plainOutcome), this.#model.commit(transactions, this.#nowMs));
    this.#sent = transactions;
  }

  async #locked(storage: Storage, command: StorageCommand & { kind: 'locked' }): Promise<void> {
    const keys = command.keys.map(keyAt);
    const thrown = new Error('thrown by run');
    let transactions: readonly Transaction[] = [];
    let runs = 0;
    const asked = (async () =>
      storage.locked(keys, (records, nowMs) => {
        runs++;
        this.#observe({ nowMs });
        assert.deepEqual(records.map(plainRecord), this.#model.read(keys));
        if (command.throws) throw thrown;
        transactions = this.#transactionsOf(command.transactions);
        return transactions;
      }))();
    if (command.throws) {
      await assert.rejects(asked, (error) => error === thrown);
      return;
    }
    const answer = await asked;
    this.#observe(answer);
    assert.ok(!answer.busy, 'nobody else is there, and yet it is busy');
    assert.equal(runs, 1);
    assert.deepEqual(answer.outcomes.map(plainOutcome), this.#model.commit(transactions, this.#nowMs));
    this.#sent = transactions;
  }

  async #range(storage: Storage, command: StorageCommand & { kind: 'range' }): Promise<void> {
    const { limit, reverse } = command;
    const query = {
      start: modelBounds[command.start] as Key,
      end: modelBounds[command.end] as Key,
      limit,
      reverse,
    };
    const answer = await storage.range(query);
    this.#observe(answer);
    assert.deepEqual(answer.records.map(plainRecord), this.#model.range(query));
  }

  async #sweep(storage: Storage, limit: number): Promise<void> {
    const answer = await storage.sweep(limit);
    this.#observe(answer);
    const expired = new Set(this.#model.expired(this.#nowMs));
    const swept = new Set(answer.keys);
    assert.equal(swept.size, answer.keys.length, 'a key was named twice');
    assert.equal(swept.size, Math.min(limit, expired.size));
    for (const key of swept) {
      assert.ok(expired.has(key), `${key} was swept and has not expired`);
      this.#model.records.delete(key);
    }
  }

  /** Learns the store's time. Where the clock is ours, every answer must tell it exactly. */
  #observe({ nowMs }: { readonly nowMs: number }): void {
    if (this.#clock) assert.equal(nowMs, this.#clock());
    this.#nowMs = nowMs;
  }

  /** Makes transactions of drafts, as the store stands now; no key is named twice in a group. */
  #transactionsOf(drafts: readonly TransactionDraft[]): Transaction[] {
    const taken = new Set<number>();
    return drafts.map(({ writes, notAfterInMs }) => {
      const own = writes.filter(({ key }) => !taken.has(key) && taken.add(key));
      const notAfterMs = this.#from(notAfterInMs);
      return {
        writes: own.map((draft) => this.#writeOf(draft)),
        ...(notAfterMs !== undefined && { notAfterMs }),
      };
    });
  }

  #writeOf({ key: index, kind, expected: expectation, json, expiresInMs }: WriteDraft): Write {
    const key = keyAt(index);
    const current = this.#model.versionOf(key);
    const past = this.#model.versions.get(key)?.find((version) => version !== current);
    const expected = { right: current, absent: null, stale: past ?? 'never', foreign: 'foreign' }[
      expectation
    ];
    if (kind !== 'put') return { kind, key, expected };
    this.#minted++;
    const expiresAtMs = this.#from(expiresInMs);
    const version = `v-${this.#minted}`;
    return {
      kind,
      key,
      expected,
      version,
      value: Value.of(json),
      ...(expiresAtMs !== undefined && { expiresAtMs }),
    };
  }

  /** Where the clock cannot be set, a moment is long ago or far ahead. */
  #from(inMs: number | undefined): number | undefined {
    if (inMs === undefined) return undefined;
    if (this.#clock) return this.#nowMs + inMs;
    return this.#nowMs + (inMs < 0 ? -3_600_000 : 3_600_000);
  }
}

function keyAt(index: number): Key {
  return modelKeys[index] as Key;
}
