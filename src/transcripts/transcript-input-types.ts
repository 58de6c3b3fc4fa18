import type {
  LoopKind,
  LoopStatus,
  SessionScope,
  TranscriptGroup,
  TranscriptLoop,
  TranscriptParent,
  TranscriptPart,
  TranscriptSession,
  TranscriptUsage,
} from './transcript-types.js';

/** Something to append. Fields that are not named here are kept with it. */
export type NewTranscriptEntry =
  | NewLoop
  | LoopUpdate
  | NewTurn
  | TurnUpdate
  | { readonly type: 'message'; readonly message: object; readonly loopId?: string; readonly atMs?: number }
  | { readonly type: 'event'; readonly event: object; readonly loopId?: string; readonly atMs?: number }
  | {
      readonly type: 'overlay';
      readonly reason: string;
      readonly from: number;
      readonly to: number;
      readonly messages: readonly object[];
      readonly loopId?: string;
      readonly atMs?: number;
    };

/** Begins a loop, which becomes the current one. */
export interface NewLoop {
  readonly type: 'loop';
  /** Made up where not given. */
  readonly loopId?: string;
  /** `initial` for the first one, else `continuation`, unless said. */
  readonly kind?: LoopKind;
  /** The current loop, unless said; an initial loop has none. */
  readonly parentLoopId?: string;
  /**
   * Of its parents, it sees what came before this position: all of it unless said, and with a `rerun` what came before
   * its parent.
   */
  readonly branchesAt?: number;
  readonly groupId?: string;
  /** `running` unless said. */
  readonly status?: LoopStatus;
  readonly config?: object;
  readonly metadata?: object;
  readonly usage?: TranscriptUsage;
  readonly atMs?: number;
}

/** Changes a loop. */
export interface LoopUpdate {
  readonly type: 'loop-update';
  /** The current loop, unless said. */
  readonly loopId?: string;
  readonly status?: LoopStatus;
  /** Added to what it has. */
  readonly usage?: TranscriptUsage;
  readonly metadata?: object;
  readonly endedAtMs?: number;
  /** Makes it the chosen one of its group. */
  readonly selected?: true;
}

/** Begins a turn, or records one that is over. */
export interface NewTurn {
  readonly type: 'turn';
  /** Made up where not given. Give every turn of a session an id of its own. */
  readonly turnId?: string;
  readonly loopId?: string;
  readonly trigger?: unknown;
  readonly input?: unknown;
  readonly output?: unknown;
  readonly toolResults?: unknown;
  readonly usage?: TranscriptUsage;
  readonly startedAtMs?: number;
  readonly endedAtMs?: number;
  readonly atMs?: number;
}

/**
 * Adds to a turn what was not known when it began. Fields replace those of the turn; usage is added. The turn is the last one
 * before it with its id; nobody looks for it when it is appended, so one for a turn that is not there stays a `turn-update`.
 */
export interface TurnUpdate extends Omit<NewTurn, 'type'> {
  readonly type: 'turn-update';
}

/** What a new session is created with. */
export interface NewTranscript {
  /** A UUID v7 unless given: 1 to 512 characters, any but control characters. */
  readonly sessionId?: string;
  readonly agentId: string;
  /** `persistent` unless said. */
  readonly scope?: SessionScope;
  readonly parent?: TranscriptParent;
  readonly metadata?: object;
}

/** How to append. */
export interface AppendOptions {
  /**
   * Makes the append repeatable: the same id with the same content is answered without being done again, with other
   * content it is `INVALID_INPUT`. Known until the session is deleted, also where `save` replaced what it holds. 1 to 255
   * characters.
   */
  readonly operationId?: string;
  /** What the same operation is known by; the entries themselves unless said. */
  readonly operationContent?: unknown;
  /** Creates the session in the same transaction where there is none. */
  readonly create?: Omit<NewTranscript, 'sessionId'>;
  /** Refuses with `SESSION_CHANGED` unless the session's `revision` is this one: nobody has written since. */
  readonly expectedRevision?: number;
  /** Refuses with `SESSION_CHANGED` unless the session is of this incarnation. */
  readonly incarnation?: string;
}

/** What an append answers. */
export interface Appended {
  readonly ok: true;
  readonly session: TranscriptSession;
  /** The position of the first entry. */
  readonly position: number;
  /** It had been appended before under this `operationId`; nothing was written now. */
  readonly replayed?: true;
}

/** Which part of a session to load. */
export interface LoadOptions {
  /** Only the branch that ends with this loop: the loop, its parents, and of each parent what came before. */
  readonly loopId?: string;
  /** Only the last turns of the branch, with all that belongs to them: 1 to 100,000. */
  readonly turns?: number;
}

/** Which messages to show a model. */
export interface HistoryOptions {
  /** The branch that ends with this loop; the current one unless said. */
  readonly loopId?: string;
  /** At most so many, the newest. */
  readonly limit?: number;
}

/** Which sessions to list, and which page of them. */
export interface TranscriptListOptions {
  readonly agentId?: string;
  /** Sessions on a page: 1 to 1,000; 100 unless said. */
  readonly limit?: number;
  /** Where the last page ended. */
  readonly cursor?: string;
}

/** A page of sessions, newest first. */
export interface TranscriptPage {
  readonly ok: true;
  readonly sessions: readonly TranscriptSession[];
  /** Ids of sessions on this page that cannot be read. */
  readonly damaged: readonly string[];
  readonly cursor?: string;
}

/**
 * How to take over messages into a compaction. Unless `to` says how far, it covers what is there when it is called: that may
 * be more than the caller has read. To cover no more than that, give what `history` or `load` answered:
 * `{ messages, to: session.nextPosition - 1, loopId: session.currentLoopId, incarnation: session.incarnation }`.
 */
export interface Compaction {
  /** What a model sees instead. */
  readonly messages: readonly object[];
  /** Turns at the end that stay as they are; 0 unless said. */
  readonly keepTurns?: number;
  /** The last position to cover, instead of `keepTurns`. */
  readonly to?: number;
  /** The branch to compact, which goes on behind it; the current one unless said. */
  readonly loopId?: string;
  readonly operationId?: string;
  /** Refuses with `SESSION_CHANGED` unless the session's `revision` is this one: nobody has written since. */
  readonly expectedRevision?: number;
  /** Refuses with `SESSION_CHANGED` unless the session is of this incarnation: nobody has replaced what it holds. */
  readonly incarnation?: string;
  readonly usage?: TranscriptUsage;
  readonly metadata?: object;
}

/** How to copy a session. */
export interface ForkOptions {
  /** The id of the copy; made up unless given. */
  readonly sessionId?: string;
  /** Copies only the branch that ends with this loop. */
  readonly loopId?: string;
  /** The copy's agent; the same unless given. */
  readonly agentId?: string;
  readonly metadata?: object;
}

/** How to join the session an agent is in. */
export interface OpenCurrent extends Omit<NewTranscript, 'sessionId' | 'parent'> {
  /** The id of the session, should one be created. */
  readonly sessionId?: string;
  /** A session that lay idle for so long is not joined: a new one takes its place. */
  readonly inactiveMs: number;
}

/** A transcript to be saved: what `load` gives, or less. */
export interface TranscriptInput {
  readonly session: Partial<Omit<TranscriptSession, 'parent' | 'metadata'>> & {
    readonly sessionId: string;
    readonly agentId: string;
    readonly parent?: TranscriptParent;
    readonly metadata?: object;
  };
  readonly loops?: readonly (Partial<Omit<TranscriptLoop, 'config' | 'metadata'>> & {
    readonly loopId: string;
    readonly config?: object;
    readonly metadata?: object;
  })[];
  readonly groups?: readonly TranscriptGroup[];
  readonly entries?: readonly object[];
  readonly part?: TranscriptPart;
}

/** How to save. */
export interface SaveOptions {
  /** Replaces what is there even where somebody wrote since the transcript was loaded, or only a part of it was. */
  readonly overwrite?: boolean;
  /** Forgets which operations were done, as a new session knows none: their ids may be used again. */
  readonly forgetOperations?: boolean;
}

/** How to import. */
export interface ImportOptions {
  /** Replaces a session of the same id, instead of refusing with `SESSION_EXISTS`. */
  readonly replace?: boolean;
  /** With `replace`: also by what was loaded in part, instead of refusing with `INVALID_INPUT`. */
  readonly overwrite?: boolean;
  /** The id to import it under, instead of its own. */
  readonly sessionId?: string;
}

/** The settings of `openAmbit({ transcripts })`. */
export interface TranscriptSettings {
  /** How long an ephemeral session lives: 1 minute to 365 days; 24 hours unless said. */
  readonly ephemeralLifetimeMs?: number;
}
