import {
  groupBytesMax,
  type Put,
  type Transaction,
  transactionKeysMax,
  Value,
  valueBytesMax,
  type Version,
  type Write,
} from '../storage/storage.js';
import { AmbitError } from '../core/errors.js';
import { type Component, GroupView, KeysNeeded, type Lookup, type Slot } from './group-view.js';
import type { Call } from './call.js';
import { creationArrivesWithinMs, deletionMarkForMs, groupCallsMax } from './engine-limits.js';
import type { Interval } from '../core/time.js';
import type { Key } from '../core/keys.js';
import { isRefused } from '../core/refusals.js';

/** Calls that share one fate, and the transaction that decides it; without one there is nothing to decide. */
export interface Unit {
  readonly ran: readonly { readonly call: Call; readonly answer: unknown }[];
  readonly transaction: Transaction | undefined;
}

/** What became of the calls that were to run together. */
export interface Group {
  readonly units: readonly Unit[];
  /** Calls that touched keys nobody loaded: they run again with them, in this order. */
  readonly deferred: readonly Call[];
  /** Calls that did not fit: they open the next group. */
  readonly leftover: readonly Call[];
}

export interface GroupContext {
  readonly lookup: Lookup;
  /** As `lookup`, for records that never change: how old the look was does not matter. */
  readonly constants: Lookup;
  readonly now: Interval;
  /** A version nobody ever used. */
  readonly mint: () => Version;
  /** Whether others may write, so that what was only read must be checked too. */
  readonly shared: boolean;
  /** Whether a request may arrive after its sender has given it up for lost. */
  readonly remote: boolean;
  readonly transactionsMax: number;
  readonly fit: GroupFit;
}

/** How many calls fit into a group, as learned from those before: a group of too many is run again, with fewer. */
export interface GroupFit {
  calls: number;
}

/** Runs calls in order against the records as last seen, and makes one transaction of each connected component. */
export function runGroup(calls: readonly Call[], context: GroupContext): Group {
  const { fit } = context;
  const most = Math.min(calls.length, fit.calls);
  for (let count = most; ; count = Math.ceil(count / 2)) {
    const { units, deferred, ran } = tryGroup(calls, count, context);
    const problem = limitPassed(units, context.transactionsMax);
    if (problem === undefined) {
      // Twice as many the next time: whatever waits behind it, a group is run twice at most, and grows again soon.
      if (count < most || count === fit.calls) fit.calls = Math.min(2 * count, groupCallsMax);
      for (const call of calls.slice(0, ran)) call.runs++;
      return { units, deferred, leftover: calls.slice(ran) };
    }
    if (count === 1) {
      calls[0]?.reject(new AmbitError('INVALID_INPUT', problem));
      return { units: [], deferred: [], leftover: calls.slice(1) };
    }
    // Nothing is kept of the larger group: bodies are pure, half of them simply run again.
  }
}

/** Runs the first `count` calls, or fewer: `ran` of them. */
function tryGroup(
  calls: readonly Call[],
  count: number,
  context: GroupContext,
): Omit<Group, 'leftover'> & { readonly ran: number } {
  const view = new GroupView<Call>(context.lookup, context.constants);
  const components: Component<Call>[] = [];
  const deferred: Call[] = [];
  let ran = 0;
  for (const call of calls) {
    // Components that are merged later are counted still: the group is a little smaller then than it might be.
    if (ran === count || components.length === context.transactionsMax) break;
    ran++;
    view.begin();
    let answer: unknown;
    try {
      answer = call.body(view, context.now);
      if (isRefused(answer) && view.wrote) throw new Error('a body refused and wrote: a bug of its face');
    } catch (error) {
      view.rollBack();
      if (error instanceof KeysNeeded) {
        call.keys = [...call.keys, ...error.keys];
        deferred.push(call);
      } else {
        call.reject(error);
      }
      continue;
    }
    const component = link(view.touched);
    if (component.ran.length === 0) components.push(component);
    component.ran.push({ call, answer });
    component.notAfterMs = Math.min(component.notAfterMs, view.notAfterMs);
  }
  const units = components
    .filter((component) => component.parent === undefined)
    .map((component) => ({ ran: component.ran, transaction: transactionOf(component, context) }));
  return { units, deferred, ran };
}

/** Links everything a run touched into one component, the largest of those it touched. */
function link(touched: readonly Slot<Call>[]): Component<Call> {
  let root: Component<Call> | undefined;
  for (const slot of touched) {
    const other = slot.component && rootOf(slot.component);
    if (!other || other === root) continue;
    root = root ? merge(root, other) : other;
  }
  root ??= { parent: undefined, ran: [], slots: [], notAfterMs: Number.POSITIVE_INFINITY };
  for (const slot of touched) {
    if (!slot.component) root.slots.push(slot);
    slot.component = root;
  }
  return root;
}

function merge(a: Component<Call>, b: Component<Call>): Component<Call> {
  const [into, from] = a.ran.length >= b.ran.length ? [a, b] : [b, a];
  from.parent = into;
  // Merged runs keep their order only within each of the two, which is all that order means: until now they shared no record.
  into.ran.push(...from.ran);
  into.slots.push(...from.slots);
  into.notAfterMs = Math.min(into.notAfterMs, from.notAfterMs);
  return into;
}

function rootOf(component: Component<Call>): Component<Call> {
  let root = component;
  while (root.parent) root = root.parent;
  return root;
}

function transactionOf(component: Component<Call>, context: GroupContext): Transaction | undefined {
  const writes: Write[] = [];
  let changes = false;
  let pinned = false;
  for (const slot of component.slots) {
    const expected = slot.base?.version ?? null;
    if (slot.written && slot.value !== undefined) {
      const value = Value.of(slot.value);
      const put: Put = { kind: 'put', key: slot.key, expected, version: context.mint(), value };
      writes.push(slot.expiresAtMs === undefined ? put : { ...put, expiresAtMs: slot.expiresAtMs });
      changes = true;
      pinned ||= slot.base !== undefined;
    } else if (slot.written && slot.base && slot.base.value.json !== null) {
      writes.push(
        context.remote
          ? deletionMark(slot.key, slot.base.version, context)
          : { kind: 'delete', key: slot.key, expected },
      );
      changes = true;
      pinned = true;
    } else if (context.shared) {
      writes.push({ kind: 'check', key: slot.key, expected });
    }
  }
  // Alone on its store a refusal is true as it stands, but it may rest on a write of its own group.
  if (writes.length === 0 || (!changes && !context.shared)) return undefined;
  // A version is replaced once, so a late copy of what replaces one finds it gone. What only creates must come in time.
  const arriveByMs =
    changes && !pinned && context.remote ? context.now.latestMs + creationArrivesWithinMs : null;
  const notAfterMs = Math.min(component.notAfterMs, arriveByMs ?? Number.POSITIVE_INFINITY);
  return notAfterMs === Number.POSITIVE_INFINITY ? { writes } : { writes, notAfterMs };
}

/**
 * What stands for a deleted record until no copy of the transaction that created it can arrive any more: else such a copy
 * would find the key absent, as it expects, and bring back what was deleted.
 */
function deletionMark(key: Key, expected: Version, { mint, now }: GroupContext): Put {
  const expiresAtMs = now.latestMs + deletionMarkForMs;
  return { kind: 'put', key, expected, version: mint(), value: Value.of(null), expiresAtMs };
}

/** The limit that these units pass, in words, or undefined. */
function limitPassed(units: readonly Unit[], transactionsMax: number): string | undefined {
  let transactions = 0;
  let bytes = 0;
  for (const { transaction } of units) {
    if (!transaction) continue;
    transactions++;
    if (transaction.writes.length > transactionKeysMax) {
      return `a transaction touches ${transaction.writes.length} keys; at most ${transactionKeysMax} are possible`;
    }
    for (const write of transaction.writes) {
      bytes += write.key.length;
      if (write.kind !== 'put') continue;
      const valueBytes = Buffer.byteLength(write.value.text);
      if (valueBytes > valueBytesMax) {
        return `a value of ${valueBytes} bytes; at most ${valueBytesMax} are possible`;
      }
      bytes += valueBytes;
    }
  }
  if (transactions > transactionsMax) return `more than ${transactionsMax} transactions`;
  if (bytes > groupBytesMax) return `a transaction of ${bytes} bytes; at most ${groupBytesMax} are possible`;
  return undefined;
}
