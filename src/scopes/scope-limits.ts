/** Bytes of UTF-8 in the name of a scope, and in a key: both fit into a record's key, whatever characters they hold. */
export const nameBytesMax = 1_024;

/** Code points of a text that are one part of a record's key as they are; escaped, they are at most 1,024 bytes. */
export const plainPointsMax = 256;

/** UTF-16 units in a source step: a name, not a document. */
export const sourceStepCharsMax = 255;

/** Ten years. Longer, and the sum of a time and a lifetime would not be a time any more. */
export const ttlMsMax: number = 10 * 365 * 86_400_000;

/** Bytes of JSON in a value: with version, times and source step, an entry stays below what one record may hold. */
export const valueBytesDefault = 1_000_000;

/** Arrays and objects inside each other: deeper ones would overflow the stack of whoever copies them. */
export const valueDepthMax = 200;

/** Changes in one transaction: with their indexes and counters they touch at most 2,501 keys of the 4,096 possible. */
export const changesMax = 500;

/** Bytes of keys and values in one transaction of changes: the rest of the 4 MiB is for what is stored around them. */
export const changesBytesMax: number = 3 * 1_048_576;

/** Keys read at once. */
export const keysMax = 1_000;

export const listLimitDefault = 100;
export const listLimitMax = 1_000;

/** Entries one `query` looks at: a text that is nowhere must not read a million of them in one call. */
export const scanMaxDefault = 10_000;

/** Bytes of keys and values that one page looks at: ten thousand entries of a megabyte must not be read in one call either. */
export const scanBytesMax: number = 8 * 1_048_576;

/** Records that a search reads at first, to learn how large they are: more than it may look at would be read for nothing. */
export const firstLookMax = 32;

/** Bytes of values on one page: a thousand entries of a megabyte each would fill the memory of whoever asked. */
export const pageBytesMax: number = 4 * 1_048_576;

/** Records read at once while walking, as long as nothing is known of their size: at worst 128 MB. */
export const walkRecordsMax = 128;

/** Characters of an export that is answered as one text. */
export const exportCharsMax: number = 64 * 1_048_576;

export const ephemeralEntriesDefault = 100_000;
export const ephemeralBytesDefault: number = 64 * 1_048_576;

/** Scopes whose incarnation is kept at hand, so that a call finds its entry in one look. Past it the oldest is looked up again. */
export const knownScopesMax = 10_000;

/** Records deleted by one transaction of the collector: everybody else's calls wait for it, with 64 several times as long as they do anyway. */
export const collectRecordsMax = 16;

/** How long the collector rests behind each at least: without it so many calls would meet one that the wait is the usual one. */
export const collectRestMsMin = 2;

/** Records one `sweep` deletes: a call that never returns cannot be stopped. */
export const sweepRecordsMax = 100_000;

/** Scopes that one `sweep` looks into for what has expired: each of them is a question to the store. */
export const sweepScopesMax = 1_000;

/** Tries to read a page, or a count, between drops. Who drops a scope as fast as others read it gets no answer about it. */
export const readTriesMax = 16;

/** How long an import may go without a sign of life before what it wrote is collected. */
export const stagingMs = 3_600_000;

/** Entries, and bytes of them, that an import writes in one transaction: everybody else's calls wait for it. */
export const importEntries = 100;
export const importBytes = 262_144;

/** Entries that `purgeWhere` deletes in one transaction: others wait for it, and one that changed meanwhile costs a look at each. */
export const purgePieceMax = 64;
