/**
 * Ambit: bounded, exact and durable sessions for AI agents.
 *
 * Other doors: `ambit/memory` and `ambit/sqlite` open stores by hand, `ambit/storage` is what a backend author reads, and
 * `ambit/testing` is what proves a backend.
 */

// Opening
export { type Ambit, type AmbitOptions, openAmbit } from './open-ambit.js';

// Task sessions: what goes in and what comes out
export type {
  Granted,
  ListOptions,
  OpenByNameInput,
  RateLimit,
  Sensitivity,
  TaskSession,
  TaskSessions,
  TaskSettings,
  TaskStatus,
  TaskSummary,
  TaskTerms,
  TaskTermsInput,
  TaskWarning,
  UseOptions,
} from './tasks/task-types.js';

// Web sessions: what goes in and what comes out
export type {
  ConflictPolicy,
  Flash,
  FlashLevel,
  ListedWebSession,
  ListWebOptions,
  NewWebSession,
  WebSession,
  WebSessions,
  WebSettings,
  WebUser,
} from './web/web-types.js';
export type { SessionCookieOptions } from './web/cookie-rules.js';
export type { RequestSession } from './web/request-session.js';
export { SessionError } from './web/session-error.js';
export { CsrfError } from './web/csrf-tokens.js';

// Scopes: names, what goes in and what comes out
export { daemonScope, flowScope, globalScope } from './scopes/scope-name-rules.js';
export type {
  EntryListOptions,
  EntryOptions,
  EntryQueryOptions,
  ExpectOptions,
  ScopeChange,
  ScopeChanged,
  ScopeCounts,
  ScopeEntry,
  ScopeExportOptions,
  ScopeImportOptions,
  ScopeLayer,
  ScopeListOptions,
  ScopeOptions,
  Scopes,
  ScopeSettings,
  ScopeSummary,
} from './scopes/scope-types.js';

// Transcripts: what they are, what goes in and what comes out
export type { Transcripts } from './transcripts/transcripts-face.js';
export type {
  CheckpointChannel,
  CheckpointListOptions,
  CheckpointPlace,
  Checkpoints,
  CheckpointWrite,
  NewCheckpoint,
  SavedCheckpoint,
  SerializedValue,
} from './transcripts/checkpoint-types.js';
export type {
  JsonFields,
  LoopKind,
  LoopStatus,
  SessionFormation,
  SessionScope,
  Transcript,
  TranscriptChild,
  TranscriptCounts,
  TranscriptDamage,
  TranscriptEntry,
  TranscriptEvent,
  TranscriptGroup,
  TranscriptLoop,
  TranscriptMessage,
  TranscriptOverlay,
  TranscriptParent,
  TranscriptPart,
  TranscriptSession,
  TranscriptTurn,
  TranscriptTurnUpdate,
  TranscriptUsage,
  VisibleMessage,
} from './transcripts/transcript-types.js';
export type {
  Appended,
  AppendOptions,
  Compaction,
  ForkOptions,
  HistoryOptions,
  ImportOptions,
  LoadOptions,
  LoopUpdate,
  NewLoop,
  NewTranscript,
  NewTranscriptEntry,
  NewTurn,
  OpenCurrent,
  SaveOptions,
  TranscriptInput,
  TranscriptListOptions,
  TranscriptPage,
  TranscriptSettings,
  TurnUpdate,
} from './transcripts/transcript-input-types.js';

// Moving a store to another backend
export { type CopyOptions, type CopyProgress, type CopyReport, copyStore } from './copy/copy-store.js';

// Refusals are answered, errors are thrown
export { httpStatusOf, type Refusal, type RefusalCode, type Refused } from './core/refusals.js';
export { AmbitError, type AmbitErrorCode, type WriteOutcome } from './core/errors.js';

// What a store is, and whether it keeps what it promises
export {
  type ExamineOptions,
  examineStore,
  type StoreCheck,
  type StoreReport,
} from './doctor/examine-store.js';
export type { ExactnessResult } from './doctor/exactness-test.js';

// The store, as far as a user of a URL meets it
export type { Capabilities, Durability, Storage, StorageDescription } from './storage/storage.js';
