import type { Json } from '../core/json.js';

/** A JSON object. Fields that Ambit does not know are kept as they are, in every record of a transcript. */
export interface JsonFields {
  readonly [name: string]: Json;
}

/**
 * What a model used, by name: `inputTokens`, `outputTokens`, `reasoningTokens`, `cacheReadTokens`, `cacheWriteTokens`,
 * `totalTokens`, or names of your own. Whole numbers from 0, so that sums are exact; write money in millionths. A sum holds the
 * first 128 names that came, and no amount above `Number.MAX_SAFE_INTEGER`; the turns keep what they had.
 */
export type TranscriptUsage = Readonly<Record<string, number>>;

/** How a session came to be: on purpose, because something was appended to it, or after the one before lay idle. */
export type SessionFormation = 'explicit' | 'first-loop' | 'inactivity';

/** Whether a session is kept until somebody deletes it, or forgotten when its lifetime has passed. */
export type SessionScope = 'persistent' | 'ephemeral';

/** What a loop is to its parent. */
export type LoopKind = 'initial' | 'continuation' | 'branch' | 'rerun' | 'compaction';

/** Where a loop stands. */
export type LoopStatus = 'pending' | 'running' | 'completed' | 'rejected' | 'aborted';

/** The session and the tool call that started a sub-agent. */
export interface TranscriptParent {
  readonly sessionId: string;
  readonly loopId?: string;
  readonly toolCallId?: string;
  readonly toolName?: string;
}

/** A sub-agent's session, as its parent's transcript names it. */
export interface TranscriptChild extends Omit<TranscriptParent, 'sessionId'> {
  /** The child's session. */
  readonly sessionId: string;
}

/** A session without its content. Times are milliseconds since 1970, by the store's clock. */
export interface TranscriptSession {
  /** The version of the layout it was written in. */
  readonly schema: number;
  readonly sessionId: string;
  /** Changes whenever the content is replaced: `save` and a deletion end one, and nothing is ever added to it again. */
  readonly incarnation: string;
  readonly agentId: string;
  readonly formation: SessionFormation;
  readonly scope: SessionScope;
  readonly createdAtMs: number;
  readonly lastActiveAtMs: number;
  /** When an ephemeral session is forgotten. */
  readonly expiresAtMs?: number;
  readonly parent?: TranscriptParent;
  /** The session this one was copied from, and the last position that was copied. */
  readonly forkedFrom?: {
    readonly sessionId: string;
    readonly incarnation: string;
    readonly position: number;
  };
  /** The session of the same agent that lay idle, where this one took its place. */
  readonly previousSessionId?: string;
  readonly metadata?: JsonFields;
  /** What could not be read when it was saved, copied or exported, and is not in it any more: the first 20 records. */
  readonly lost?: readonly TranscriptDamage[];
  /** The loop that an entry belongs to which names none: the last one that was begun. */
  readonly currentLoopId?: string;
  /** The position the next entry gets. Everything in the session has a lower one. */
  readonly nextPosition: number;
  /** Grows with every change: what was read is still so as long as this is. */
  readonly revision: number;
  readonly counts: TranscriptCounts;
  /** The sum over all loops. */
  readonly usage: TranscriptUsage;
}

/** How much a session holds. */
export interface TranscriptCounts {
  readonly loops: number;
  readonly turns: number;
  readonly messages: number;
  readonly events: number;
}

/** One run of an agent within a session. Loops form a tree. */
export interface TranscriptLoop {
  readonly schema: number;
  readonly loopId: string;
  readonly kind: LoopKind;
  readonly parentLoopId?: string;
  /** Loops that were run beside each other, to choose one of them. */
  readonly groupId?: string;
  readonly status: LoopStatus;
  /** What it ran with. Values that look like secrets were left out when it was written. */
  readonly config?: JsonFields;
  readonly metadata?: JsonFields;
  /** The sum of its turns, and what was added to it by itself. */
  readonly usage: TranscriptUsage;
  readonly startedAtMs: number;
  readonly endedAtMs?: number;
  /** Where it begins. */
  readonly position: number;
  /** What its parents said from this position on is no part of its branch. */
  readonly branchesAt: number;
  /** Its record could not be read: this is what its entries and its children say of it. */
  readonly damaged?: true;
}

/** Loops that were run beside each other, and the one that was chosen. */
export interface TranscriptGroup {
  readonly groupId: string;
  readonly loopIds: readonly string[];
  /** The chosen one, where it is among these loops: a branch may hold another one of them. */
  readonly selectedLoopId?: string;
}

interface EntryPlace {
  readonly schema: number;
  readonly loopId: string;
  /** Its place in the session: grows, without being dense. */
  readonly position: number;
  readonly atMs: number;
}

/** One call of the model, and the tools it used. What lies between two turns of a loop belongs to the first of them. */
export interface TranscriptTurn extends EntryPlace {
  readonly type: 'turn';
  readonly turnId: string;
  readonly trigger?: Json;
  readonly input?: Json;
  readonly output?: Json;
  readonly toolResults?: Json;
  readonly usage?: TranscriptUsage;
  readonly startedAtMs?: number;
  readonly endedAtMs?: number;
}

/**
 * What was added to a turn that is not among the entries: it lies before the part that was loaded or on another branch, it
 * cannot be read, or it never was. Where the turn is among them, it has these fields.
 */
export interface TranscriptTurnUpdate extends Omit<TranscriptTurn, 'type'> {
  readonly type: 'turn-update';
}

/** A message, as the framework wrote it. */
export interface TranscriptMessage extends EntryPlace {
  readonly type: 'message';
  readonly turnId?: string;
  readonly message: JsonFields;
}

/** Anything that happened and is no message. */
export interface TranscriptEvent extends EntryPlace {
  readonly type: 'event';
  readonly turnId?: string;
  readonly event: JsonFields;
}

/**
 * Says that a model is to see other messages in place of some: what it covers stays where it is. A compaction is one, and
 * so is a message that was taken back.
 */
export interface TranscriptOverlay extends EntryPlace {
  readonly type: 'overlay';
  readonly reason: string;
  /** First position covered. */
  readonly from: number;
  /** Last position covered. */
  readonly to: number;
  readonly messages: readonly JsonFields[];
}

/** One entry of a session's content. */
export type TranscriptEntry =
  TranscriptTurn | TranscriptTurnUpdate | TranscriptMessage | TranscriptEvent | TranscriptOverlay;

/** A record that could not be read. The others are not affected. */
export interface TranscriptDamage {
  /** What it is a record of. */
  readonly what: string;
  readonly problem: string;
}

/** Which part of a session was loaded: what `load` was asked for. */
export interface TranscriptPart {
  /** The branch that ends with this loop. */
  readonly loopId?: string;
  /** Its last turns. */
  readonly turns?: number;
}

/** A session with its content. Serialises to the JSON file that `import` takes. */
export interface Transcript {
  readonly schema: number;
  readonly session: TranscriptSession;
  readonly loops: readonly TranscriptLoop[];
  readonly groups: readonly TranscriptGroup[];
  readonly children: readonly TranscriptChild[];
  /** In order. */
  readonly entries: readonly TranscriptEntry[];
  /** What could not be read; not there where everything could. */
  readonly damaged?: readonly TranscriptDamage[];
  /** What was asked for, where that was not the whole: saved, it would delete the rest, and is refused. */
  readonly part?: TranscriptPart;
}

/** A message as a model is to see it. */
export interface VisibleMessage {
  /** The position it stands at; messages of one overlay share theirs. */
  readonly position: number;
  /** Its place among those of the same position. */
  readonly index: number;
  /** First position that it stands for: with an overlay, the first one that is covered. */
  readonly from: number;
  readonly message: JsonFields;
}
