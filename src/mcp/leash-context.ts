import type { CallMemory } from './call-memory.js';
import type { FrameWriter } from './frame-writer.js';
import type { LeashDecision, LeashLimits, ToolAuthorizer } from './leash-types.js';
import type { MethodPolicy } from './method-rules.js';
import type { RequestTable } from './request-table.js';
import type { HeldFrame, UpstreamQueue } from './upstream-queue.js';

/** A request of the client on its way. */
export interface PendingRequest {
  readonly method: string;
  /** The tool that is called, by its name on the wire. */
  readonly tool?: string;
  /** It carries the envelope of revision 2026-07-28. */
  readonly isModern: boolean;
  /** A call, in its place in the queue. */
  readonly held?: HeldFrame;
  /** The client gave the call up before it had left. */
  isCancelled: boolean;
  /** The authorizer has answered. */
  isDecided: boolean;
}

/** What both directions of one leash share. */
export interface LeashContext {
  readonly authorizer: ToolAuthorizer;
  readonly limits: LeashLimits;
  readonly policy: MethodPolicy;
  readonly memory: CallMemory;
  readonly clientRequests: RequestTable<PendingRequest>;
  readonly serverRequests: RequestTable<true>;
  readonly toServer: FrameWriter;
  readonly upstream: UpstreamQueue;
  readonly toClient: FrameWriter;
  /** The name the store knows a tool by. */
  storeName(tool: string): string;
  decided(decision: LeashDecision): void;
  notice(text: string): void;
}
