import { dayMs, hourMs, minuteMs } from '../core/time.js';

/** The version of the layout that records are written in. A record of a later one is not read. */
export const schemaVersion = 1;

/** Characters of a session id: enough for a path or a hash; with its index a key must stay under 2,048 bytes. */
export const sessionIdCharsMax = 512;

/** Bytes of a session's id as a part of a key, in which a space and a `!` take two. */
export const sessionIdBytesMax = 1_200;

/** Characters of an agent's id, as everywhere. */
export const agentIdCharsMax = 255;

/** Characters of the ids of loops, turns, groups and operations. */
export const innerIdCharsMax = 255;

/** Lost records named in a session: its record is written with every append, and holds them. */
export const lostRecordsMax = 20;

/** Characters of the name of a lost record, which holds the id of a loop or a session. */
export const lostCharsMax = 640;

/** Bytes of a session's or a loop's metadata: the session's record is written with every append, and holds it. */
export const metadataBytesMax = 16_384;

/** Bytes of a loop's config, which is one value, with room for what it is wrapped in. */
export const configBytesMax = 786_432;

/** Names in a usage: it is summed up in the session's record. */
export const usageNamesMax = 32;

/** Names in a sum of usages. Every append writes the session's, and a name of its own in each turn would let it grow without end. */
export const usageSumNamesMax = 128;

/** One amount of usage: 4,096 of the largest still sum up exactly. */
export const usageAmountMax: number = 2 ** 41;

/** Entries in one append: with their session, loops and index they must fit one transaction of 4,096 keys. */
export const appendEntriesMax = 1_000;

/**
 * Records that an append looks for one by one: a loop that was looked at before is not read again then. More are read
 * together, as a call is run anew for each that was not, and is given up after 64 runs.
 */
export const neededOneByOneMax = 4;

/** Bytes of one entry. It is held in memory while it is written and read. */
export const entryBytesMax = 33_554_432;

/** Bytes of a turn with all that was added to it, which a copy writes as one entry: its JSON must stay below what a string can hold. */
export const grownEntryBytesMax: number = 8 * entryBytesMax;

/** Bytes of all entries of one append; what is larger is sent in several. */
export const appendBytesMax: number = 2 * entryBytesMax;

/** Bytes of an entry that is stored whole: a value holds 1 MiB, and what the entry is wrapped in must fit too. */
export const inlineEntryBytesMax = 786_432;

/** Bytes of entries written in one transaction, which holds 4 MiB in all. */
export const inlineAppendBytesMax = 3_145_728;

/** Bytes from which an entry is stored in pieces where all together are too large for one transaction: 1,000 of them still fit. */
export const crowdedEntryBytesMax = 3_000;

/** UTF-16 units of a piece: as JSON text in a value, none of them takes more than three bytes. */
export const pieceCharsMax = 262_144;

/** Pieces read at once: more would be one message of several MiB. */
export const piecesAtOnce = 4;

/** Entries read at once. */
export const entriesPageMax = 500;

/** Entries read at first from the end: most who ask for the end need little of it. */
export const tailPageFirst = 64;

/** Turns that can be asked for at the end of a session: they are held in memory. */
export const tailTurnsMax = 100_000;

/** Records written at once where a whole transcript is. */
export const batchRecordsMax = 1_000;

/** Bytes written at once where a whole transcript is: others' calls wait behind each of these. */
export const batchBytesMax = 1_048_576;

/** Records deleted at once where a transcript is collected. */
export const collectBatchMax = 500;

/** Owners of records collected by one call of `collect`: more would keep a sweep from ending. */
export const collectOwnersMax = 100;

/** How long an unfinished save may take before what it wrote counts as left behind. */
export const unfinishedForMs: number = hourMs;

/** How far the last activity of a session may lie behind its place in the index: below it, every append would move two index records. */
export const indexLagMs = 1_000;

export const ephemeralLifetimeMsDefault: number = dayMs;
export const ephemeralLifetimeMsMin: number = minuteMs;
export const ephemeralLifetimeMsMax: number = 365 * dayMs;

/** The longest that an agent may lie idle and still be in the same session. */
export const inactiveMsMax: number = 365 * dayMs;

export const listLimitDefault = 100;

/** Index records walked for a page; a store takes no more at once. */
export const listLimitMax = 1_000;

/** Pages of the index walked for one answer: where nearly all entries dangle, a page is short and has a cursor. */
export const listPagesMax = 10;

/** Levels that JSON may be nested: a recursive reader of it must not run out of stack. */
export const jsonDepthMax = 500;

/** Sessions of which it is remembered where their operations lie, so that an append with an operation id looks once; past it all are forgotten. */
export const knownOperationsMax = 10_000;

/** How often a session that is changed while it is read is read anew, so that its loops and its entries are of one moment. */
export const readTriesMax = 3;

/** Characters of what a framework names: threads, namespaces of graphs within graphs, channels, tasks. */
export const frameworkIdCharsMax = 8_192;

/** Longer names stand in keys as a hash: a key holds four of them. */
export const keyNameCharsMax = 120;

/** Channels of a checkpoint, or writes of a task: with what goes with them they must fit one transaction of 4,096 keys. */
export const checkpointEntriesMax = 1_000;

/** UTF-16 units of text that is stored as a field of a record: as JSON, none of them takes more than three bytes. */
export const inlineTextCharsMax = 262_144;

/** From this many units on, text is stored in pieces where all together are too large for one transaction. */
export const crowdedTextCharsMax = 1_000;

/** UTF-16 units of text in one transaction: as JSON, 3 MiB of the 4 it takes. */
export const inlineTextsCharsMax = 1_048_576;

/** Checkpoints read at once: each may be of a megabyte. */
export const checkpointsPageMax = 50;
