/** Calls that may wait in one lane. More would only time out, and hold memory until they do. */
export const queuedCallsMax = 100_000;

/** Calls run in one group. All of them run without a pause: more would hold the event loop for milliseconds. */
export const groupCallsMax = 4_096;

/** How long a call may wait for its group before it is refused: a caller that waited longer has given up. */
export const callWaitMsMax = 10_000;

/** Runs of one call. A store whose answers make a call run more often than this is not going to settle it. */
export const callRunsMax = 64;

/** How long a key that lost a commit is queued for at the store. Shorter, and the winner of the last race wins the next one too. */
export const contendedForMs = 500;

/** Keys remembered as contended. Past it the oldest is forgotten, which costs one more conflict. */
export const contendedKeysMax = 10_000;

/** Pauses before a group whose reply was lost is sent again. After the last one its outcome is unknown. */
export const resendPausesMs: readonly number[] = [20, 100, 300, 600, 1_000];

/**
 * How long a group whose reply was lost is sent again, counted from its first sending: no attempt begins later. A store
 * that is slow to fail would else hold everybody behind the group for as many times its own bound as there are attempts.
 */
export const deliveryMsMax = 10_000;

/** What a caller is told to wait when a queue is full: about the time in which a lane works off a full queue. */
export const queueFullRetryAfterMs = 1_000;

/** Memory for cached records, unless said otherwise: about 200,000 task sessions. */
export const cacheBytesDefault: number = 64 * 1_048_576;

/** How much a cached record weighs beyond its key and text: the entry, the record and their maps. */
export const cacheEntryBytes = 240;

/** The drift to expect between two clocks that are both kept in time: 200 parts per million is a poor quartz. */
export const clockDriftPerMs = 0.000_2;

/**
 * How long a transaction that only creates may be on its way to a store elsewhere. Much shorter, and a store that stands
 * still for a while refuses what it was asked before.
 */
export const creationArrivesWithinMs = 30_000;

/** How long a deleted record is remembered by a store elsewhere: longer than its creation may be on its way. */
export const deletionMarkForMs: number = 2 * creationArrivesWithinMs;
