/**
 * The codes of what Ambit throws. Expected refusals are never thrown; see `RefusalCode`.
 *
 * - `INVALID_INPUT` an argument of `openAmbit`, or a key or value outside its limits
 * - `STORAGE_UNAVAILABLE` the store could not answer (only a backend throws it; a face returns it as a refusal)
 * - `STORE_LOCKED` another process owns the store
 * - `STORE_CORRUPT` what was read was not written by Ambit
 * - `STORE_SCHEMA_TOO_NEW` a newer Ambit wrote the store
 * - `STORE_UNSUPPORTED` the database behind the store is of a kind or version Ambit does not trust
 * - `COPY_UNFINISHED` the store is the target of a copy that is not finished
 * - `DURABILITY_TOO_WEAK` the store gives less than was asked for
 * - `MISSING_DEPENDENCY` a client library is not installed
 */
export type AmbitErrorCode =
  | 'INVALID_INPUT'
  | 'STORAGE_UNAVAILABLE'
  | 'STORE_LOCKED'
  | 'STORE_CORRUPT'
  | 'STORE_SCHEMA_TOO_NEW'
  | 'STORE_UNSUPPORTED'
  | 'COPY_UNFINISHED'
  | 'DURABILITY_TOO_WEAK'
  | 'MISSING_DEPENDENCY';

/**
 * Everything Ambit throws on purpose, but for `TypeError` (a wrong JavaScript type). The message is one line: what is
 * wrong, where, what to do; it never holds a secret.
 *
 * @example
 * ```ts
 * import { AmbitError, openAmbit } from 'ambit';
 * try {
 *   await openAmbit({ storage: 'sqlite:/no/such/folder/ambit.db' });
 * } catch (error) {
 *   if (error instanceof AmbitError) console.error(error.code, error.message);
 * }
 * ```
 */
export class AmbitError extends Error {
  readonly code: AmbitErrorCode;

  constructor(code: AmbitErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'AmbitError';
    this.code = code;
  }
}

/** What is known of a write whose answer did not come: it was not applied, or nobody can say. */
export type WriteOutcome = 'none' | 'unknown';

/**
 * Thrown by a backend that cannot answer. `outcome` is the important part: `none` promises that nothing of the group
 * was or will be applied; `unknown` makes the engine send the same group again to find out.
 */
export class StorageUnavailableError extends AmbitError {
  readonly outcome: WriteOutcome;
  /** `never`: this process will not be answered any more, as where a newer Ambit has taken over the store. */
  readonly retryAfterMs: number | 'never';

  constructor(
    message: string,
    options: ErrorOptions & { outcome: WriteOutcome; retryAfterMs?: number | 'never' },
  ) {
    super('STORAGE_UNAVAILABLE', message, options);
    this.name = 'StorageUnavailableError';
    this.outcome = options.outcome;
    this.retryAfterMs = options.retryAfterMs ?? 1_000;
  }
}
