import type { Readable, Writable } from 'node:stream';
import type { RefusalCode, Refused } from '../core/refusals.js';

/**
 * The one thing a leash asks: may this session call that tool, now? An adapter of one task session (`ambit.tasks`)
 * implements it; a test implements it in ten lines. None of its methods may reject: a store that cannot answer is a
 * refusal (`STORAGE_UNAVAILABLE`). One that rejects all the same is treated as just that.
 */
export interface ToolAuthorizer {
  /** What a list may show: a courtesy to the model, not the check. Asked once for every list the server answers. */
  scope(): Promise<ToolScope | Refused>;
  /** Checks one call and counts it. Resolves once the grant is durable: the call goes upstream right after. */
  use(tool: string, call: CallContext): Promise<ToolGrant | Refused>;
  /**
   * Checks, without counting, that the session still is usable. Asked for a call that repeats one which was charged
   * already (the server had answered `input_required`): a session closed in between must not finish it.
   */
  check(tool: string, call: CallContext): Promise<ToolGrant | Refused>;
}

/** What identifies a call in logs, refusals and the store: made by the leash, never taken from the JSON-RPC id. */
export interface CallContext {
  /** A UUID of this one decision; may serve as the `callId` of `tasks.use`. */
  readonly decisionId: string;
}

/** A granted call. `Granted` of `ambit.tasks` fits. */
export interface ToolGrant {
  readonly ok: true;
  readonly remaining: { readonly calls: number; readonly ms: number };
  readonly warnings?: readonly { readonly message: string }[];
}

/** What a session may see in a list. */
export interface ToolScope {
  readonly ok: true;
  /** By the name the store knows: `NAME/tool` behind a leash with `serverName`. */
  isAuthorized(tool: string): boolean;
  /** How long the session still lives: no list may be cached for longer. 0 for one that is over. */
  readonly remainingMs: number;
}

/** One decision on one `tools/call`; holds no arguments. One JSON line of `--log` is this object. */
export interface LeashDecision {
  /** When it was made, ISO 8601 in UTC. */
  readonly at: string;
  readonly decisionId: string;
  /** By the name the store knows. At most 256 characters of what the client sent. */
  readonly tool: string;
  readonly code: 'GRANTED' | RefusalCode;
  /** After this call, where the session said so. */
  readonly remaining?: { readonly calls: number; readonly ms: number };
  /** The call repeated one the server had answered `input_required`: checked, and not charged again. */
  readonly repeated?: true;
  /** The client cancelled while the call waited for its grant: charged if `GRANTED`, and not forwarded. */
  readonly cancelled?: true;
}

export interface LeashOptions {
  readonly authorizer: ToolAuthorizer;
  /** The agent's side: `input` is what it says, `output` what it hears. Nothing but protocol is written to `output`. */
  readonly client: { readonly input: Readable; readonly output: Writable };
  /** The MCP server's side: `input` is its stdin, `output` its stdout. */
  readonly server: { readonly input: Writable; readonly output: Readable };
  /** Checks tools as `NAME/tool`, so that several servers can share one session; on the wire they keep their names. No slash in it. */
  readonly serverName?: string;
  /** Globs of further methods of the client that pass, such as `resources/*`; what they do is not counted. None unless given. */
  readonly allowedMethods?: readonly string[];
  /** Told of every decision, in the order the decisions were made. */
  readonly onDecision?: (decision: LeashDecision) => void;
  /** Told, in one line without secrets or arguments, of what was dropped and why. For stderr, never for `output`. */
  readonly onNotice?: (notice: string) => void;
  /**
   * Told once when the client is gone, the server's input was ended after what was granted, and what is in flight was
   * answered (or nobody hears it, or it took too long): the moment to give the server a grace and then stop it
   * (`ServerProcess.stop`).
   */
  readonly onClientEnd?: () => void;
  /** Smaller bounds, for tests and for small machines. */
  readonly limits?: Partial<LeashLimits>;
}

/** Every bound of a leash. The defaults and what fails without them are in `leash-limits.ts`. */
export interface LeashLimits {
  readonly upstreamLineBytesMax: number;
  readonly downstreamLineBytesMax: number;
  readonly requestsInFlightMax: number;
  /** How long answers to calls in flight are awaited once the client has ended its input. */
  readonly answersWaitMsMax: number;
}

/** How it ended, with what went through. */
export interface LeashEnd {
  /** Which side ended first: the client closed its input (or stopped reading), or the server closed its output. */
  readonly endedBy: 'client' | 'server';
  readonly callsGranted: number;
  readonly callsRefused: number;
}
