import { encodeKey, type Key, type KeyPart } from 'ambit/storage';
import fc from 'fast-check';

/** Few keys, so that commands meet on them; awkward ones, so that their order matters. */
export const modelKeys: readonly Key[] = (
  [
    ['m', 0],
    ['m', 10],
    ['m', 9],
    ['m', ''],
    ['m', 'a'],
    ['m', 'a', 'b'],
    ['m', '\ue000'],
    ['m', '\u{10000}'],
    ['m', '\u0000'],
  ] as KeyPart[][]
).map((parts) => encodeKey(parts));

/** Places in the key order around and between the keys. */
export const modelBounds: readonly string[] = [...modelKeys, '', '$m ', '$m #', '$m $', '$m %', '$m $b', '%'];

/** A write, before it is known what lies under its key. */
export interface WriteDraft {
  readonly key: number;
  readonly kind: 'put' | 'delete' | 'check';
  /** `stale`: a version the key had once, if it had any. */
  readonly expected: 'right' | 'absent' | 'stale' | 'foreign';
  readonly json: fc.JsonValue;
  /** From the store's time. */
  readonly expiresInMs: number | undefined;
}

export interface TransactionDraft {
  readonly writes: readonly WriteDraft[];
  /** From the store's time. */
  readonly notAfterInMs: number | undefined;
}

export type StorageCommand =
  | { readonly kind: 'read'; readonly keys: readonly number[] }
  | { readonly kind: 'commit'; readonly transactions: readonly TransactionDraft[] }
  | { readonly kind: 'resend' }
  | {
      readonly kind: 'locked';
      readonly keys: readonly number[];
      readonly transactions: readonly TransactionDraft[];
      readonly throws: boolean;
    }
  | {
      readonly kind: 'range';
      readonly start: number;
      readonly end: number;
      readonly limit: number;
      readonly reverse: boolean;
    }
  | { readonly kind: 'sweep'; readonly limit: number }
  | { readonly kind: 'advance'; readonly ms: number }
  | { readonly kind: 'reopen' };

const key = fc.nat({ max: modelKeys.length - 1 });
const bound = fc.nat({ max: modelBounds.length - 1 });
const offsetMs = fc.option(fc.constantFrom(-3_600_000, -1, 0, 1, 10, 3_600_000), { nil: undefined });

const json = fc.oneof(
  fc.jsonValue({ maxDepth: 1 }),
  fc.jsonValue({ maxDepth: 1, stringUnit: fc.constantFrom('\u0000', '\n', "'", '"', '\\', '0', 'é', '👩') }),
);

const write: fc.Arbitrary<WriteDraft> = fc.record({
  key,
  kind: fc.constantFrom('put', 'put', 'put', 'delete', 'check'),
  expected: fc.oneof(
    { weight: 12, arbitrary: fc.constant('right' as const) },
    { weight: 1, arbitrary: fc.constantFrom('absent' as const, 'stale' as const, 'foreign' as const) },
  ),
  json,
  expiresInMs: offsetMs,
});

const transaction: fc.Arbitrary<TransactionDraft> = fc.record({
  writes: fc.array(write, { maxLength: 4 }),
  notAfterInMs: fc.oneof(
    { weight: 3, arbitrary: fc.constant(undefined) },
    { weight: 1, arbitrary: offsetMs },
  ),
});
const transactions = fc.array(transaction, { maxLength: 4 });

const command: fc.Arbitrary<StorageCommand> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('commit' as const), transactions }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('resend' as const) }) },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('read' as const), keys: fc.array(key, { maxLength: 12 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('locked' as const),
      keys: fc.uniqueArray(key, { maxLength: 5 }),
      transactions,
      throws: fc.nat({ max: 9 }).map((chance) => chance === 0),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('range' as const),
      start: bound,
      end: bound,
      limit: fc.constantFrom(1, 2, 5, 1_000),
      reverse: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('sweep' as const), limit: fc.constantFrom(1, 3, 100) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('advance' as const),
      ms: fc.constantFrom(1, 9, 10, 3_600_000, -5),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reopen' as const) }) },
);

/** Each command with the handle it is given to, where there is more than one. */
export const storageCommands: fc.Arbitrary<{ handle: number; command: StorageCommand }[]> = fc.array(
  fc.record({ handle: fc.nat({ max: 1 }), command }),
  { maxLength: 40, size: 'max' },
);
