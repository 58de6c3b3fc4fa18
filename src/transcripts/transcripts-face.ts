import type {
  Appended,
  AppendOptions,
  Compaction,
  ForkOptions,
  HistoryOptions,
  ImportOptions,
  LoadOptions,
  NewLoop,
  NewTranscript,
  NewTranscriptEntry,
  OpenCurrent,
  SaveOptions,
  TranscriptInput,
  TranscriptListOptions,
  TranscriptPage,
} from './transcript-input-types.js';
import type {
  Transcript,
  TranscriptDamage,
  TranscriptSession,
  TranscriptUsage,
  VisibleMessage,
} from './transcript-types.js';
import type { Checkpoints } from './checkpoint-types.js';
import type { Refused } from '../core/refusals.js';

type Answer<T> = Promise<({ readonly ok: true } & T) | Refused>;

/**
 * Transcripts: the durable record of conversations.
 *
 * Every operation answers `{ ok: true, … }` or `{ ok: false, refusal }`. A `TypeError` is thrown for a wrong JavaScript
 * type or a value that is no JSON, an `AmbitError` (`STORE_CORRUPT`) where the session's own record cannot be read.
 */
export interface Transcripts {
  /** Creates a session. Refuses with `SESSION_EXISTS`, and `SESSION_NOT_FOUND` where the parent is none. */
  create(session: NewTranscript): Answer<{ session: TranscriptSession }>;
  /** Joins the session the agent is in, or puts a new one in its place after `inactiveMs`: one transaction. */
  openCurrent(options: OpenCurrent): Answer<{ session: TranscriptSession; created: boolean }>;
  /** Appends entries, all or none. Costs what it adds, however much there is. */
  append(
    sessionId: string,
    entries: readonly NewTranscriptEntry[],
    options?: AppendOptions,
  ): Promise<Appended | Refused>;
  /** Begins a continuation of a loop, which becomes the current one. */
  chain(
    sessionId: string,
    parentLoopId: string,
    loop?: Omit<NewLoop, 'type' | 'parentLoopId'>,
  ): Promise<Appended | Refused>;
  /** Lets a model see other messages in place of what was said so far. What was said stays. */
  compact(sessionId: string, compaction: Compaction): Promise<Appended | Refused>;
  /** Whether this operation was done; another content under its id is `INVALID_INPUT`. */
  findOperation(sessionId: string, operationId: string, content: unknown): Answer<{ found: boolean }>;
  /** A session without its content. */
  get(sessionId: string): Answer<{ session: TranscriptSession }>;
  /** A session with its content, or a part of it. */
  load(sessionId: string, options?: LoadOptions): Answer<{ transcript: Transcript }>;
  /** The messages a model is to see, in order, and what of them could not be read. */
  history(
    sessionId: string,
    options?: HistoryOptions,
  ): Answer<{
    session: TranscriptSession;
    messages: readonly VisibleMessage[];
    damaged?: readonly TranscriptDamage[];
  }>;
  /** What the session used, in all and by loop: kept as sums, so that no entry is read. */
  usage(sessionId: string): Answer<{
    total: TranscriptUsage;
    loops: readonly { loopId: string; usage: TranscriptUsage }[];
    damaged?: readonly TranscriptDamage[];
  }>;
  /** Ids, last active first (to the second, and exactly within a page). */
  listIds(options?: TranscriptListOptions): Answer<{ ids: readonly string[]; cursor?: string }>;
  /** The same, with what is known of each. */
  list(options?: TranscriptListOptions): Promise<TranscriptPage | Refused>;
  /** Sessions of one agent, from an index. */
  listForAgent(
    agentId: string,
    options?: Omit<TranscriptListOptions, 'agentId'>,
  ): Promise<TranscriptPage | Refused>;
  /**
   * Replaces a session, or creates it. What was loaded before is saved only over what it was: if somebody wrote since, the
   * answer is `SESSION_CHANGED`. A transcript of your own, without an incarnation, replaces whatever is there. Readers see
   * the old one or the new one, whole.
   */
  save(transcript: TranscriptInput, options?: SaveOptions): Answer<{ session: TranscriptSession }>;
  /** Copies a session, or a branch of it, into a new one. */
  fork(sessionId: string, options?: ForkOptions): Answer<{ session: TranscriptSession }>;
  /** Deletes a session with everything under it. */
  delete(sessionId: string): Promise<{ readonly ok: true } | Refused>;
  /** The same as `load`, for a file. */
  export(sessionId: string): Answer<{ transcript: Transcript }>;
  /**
   * Creates a session from what `export` gave, or from a session file of phi-core. Refuses with `SESSION_EXISTS` unless
   * `replace` is said.
   */
  import(file: unknown, options?: ImportOptions): Answer<{ session: TranscriptSession }>;
  /** Deletes what deletions and replacements left behind, and says how many records; runs by itself now and then. */
  collect(): Answer<{ records: number }>;
  /** Checkpoints of the runs of graph frameworks, beside the sessions and apart from them. */
  readonly checkpoints: Checkpoints;
}
