import type { Key } from '../core/keys.js';
import type { StoredRecord } from '../storage/storage.js';
import type { View } from './engine.js';

/** Finds the record under a key as last seen, or answers `undefined` where nobody has looked yet. */
export type Lookup = (key: Key) => { readonly record: StoredRecord | undefined } | undefined;

/** Calls linked by a record that one of them read or wrote; `parent` points to the component it was merged into. */
export interface Component<C> {
  parent: Component<C> | undefined;
  ran: { readonly call: C; readonly answer: unknown }[];
  slots: Slot<C>[];
  notAfterMs: number;
}

/** A record as the calls of a group that ran so far would leave it. */
export interface Slot<C> {
  readonly key: Key;
  /** As the store had it when the group began. */
  readonly base: StoredRecord | undefined;
  /** `undefined` where there is no record. */
  value: unknown;
  expiresAtMs: number | undefined;
  written: boolean;
  component: Component<C> | undefined;
  /** The run that touched it last, so that a run notes it once. */
  touchedBy: number;
}

/** What a run did to a slot, so that it can be undone: a refused or throwing call leaves no trace. */
interface Undo<C> {
  readonly slot: Slot<C>;
  readonly value: unknown;
  readonly expiresAtMs: number | undefined;
  readonly written: boolean;
}

/** The private throw that stops a body which touched a key nobody loaded. Bodies have no try/catch. */
export class KeysNeeded extends Error {
  readonly keys: readonly Key[];

  constructor(keys: readonly Key[]) {
    super('a body touched keys that were not loaded');
    this.keys = keys;
  }
}

/** The view that all calls of one group share, one run after the other. */
export class GroupView<C> implements View {
  readonly slots: Map<Key, Slot<C>> = new Map();
  /** What the present run touched. */
  touched: Slot<C>[] = [];
  notAfterMs: number = Number.POSITIVE_INFINITY;
  readonly #lookup: Lookup;
  readonly #constants: Lookup;
  readonly #undo: Undo<C>[] = [];
  #run = 0;

  /** @param constants where records that never change are found, however old the look was */
  constructor(lookup: Lookup, constants: Lookup) {
    this.#lookup = lookup;
    this.#constants = constants;
  }

  /** Whether the present run wrote anything. */
  get wrote(): boolean {
    return this.#undo.length > 0;
  }

  begin(): void {
    this.#run++;
    this.touched = [];
    this.#undo.length = 0;
    this.notAfterMs = Number.POSITIVE_INFINITY;
  }

  /** Undoes what the present run wrote. */
  rollBack(): void {
    for (const undo of this.#undo.reverse()) {
      undo.slot.value = undo.value;
      undo.slot.expiresAtMs = undo.expiresAtMs;
      undo.slot.written = undo.written;
    }
    this.#undo.length = 0;
  }

  get<T>(key: Key<T>): T | undefined {
    return this.#touch(key).value as T | undefined;
  }

  getConstant<T>(key: Key<T>): T | undefined {
    // A record that this group writes is not constant yet.
    const record = this.slots.has(key) ? undefined : this.#constants(key)?.record;
    return record ? ((record.value.json ?? undefined) as T | undefined) : this.get(key);
  }

  put<T>(key: Key<T>, value: T, options?: { readonly expiresAtMs?: number }): void {
    this.#change(key, value, options?.expiresAtMs);
  }

  insert<T>(key: Key<T>, value: T, options?: { readonly expiresAtMs?: number }): void {
    if (!this.slots.has(key)) {
      // Where it was deleted a moment ago its mark is still there, and is found when the first try has lost to it.
      const record = this.#lookup(key)?.record;
      this.#add(key, record?.value.json === null ? record : undefined);
    }
    this.#change(key, value, options?.expiresAtMs);
  }

  delete(key: Key): void {
    this.#change(key, undefined, undefined);
  }

  need(keys: readonly Key[]): void {
    const missing = keys.filter((key) => !this.slots.has(key) && !this.#lookup(key));
    if (missing.length > 0) throw new KeysNeeded(missing);
  }

  validUntil(ms: number): void {
    if (ms < this.notAfterMs) this.notAfterMs = ms;
  }

  #change(key: Key, value: unknown, expiresAtMs: number | undefined): void {
    if (value === null) throw new Error('null stands for a deleted record; put an object');
    const slot = this.#touch(key);
    this.#undo.push({ slot, value: slot.value, expiresAtMs: slot.expiresAtMs, written: slot.written });
    slot.value = value;
    slot.expiresAtMs = expiresAtMs;
    slot.written = true;
  }

  #touch(key: Key): Slot<C> {
    const slot = this.slots.get(key) ?? this.#load(key);
    if (slot.touchedBy !== this.#run) {
      slot.touchedBy = this.#run;
      this.touched.push(slot);
    }
    return slot;
  }

  #load(key: Key): Slot<C> {
    const found = this.#lookup(key);
    if (!found) throw new KeysNeeded([key]);
    return this.#add(key, found.record);
  }

  #add(key: Key, base: StoredRecord | undefined): Slot<C> {
    const slot: Slot<C> = {
      key,
      base,
      // null is what a deletion leaves behind for a while.
      value: base?.value.json ?? undefined,
      expiresAtMs: base?.expiresAtMs,
      written: false,
      component: undefined,
      touchedBy: 0,
    };
    this.slots.set(key, slot);
    return slot;
  }
}
