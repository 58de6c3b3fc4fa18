import type { Operation, SequentialModel } from './linearizability.js';

/** What callers ask of one session. */
export type SessionInput =
  | { readonly kind: 'use'; readonly calls: number; readonly callId?: string }
  | { readonly kind: 'get' }
  | { readonly kind: 'close' }
  | { readonly kind: 'extend'; readonly calls: number };

/** What they are told. */
export type SessionOutput =
  | { readonly kind: 'granted'; readonly remaining: number; readonly replayed: boolean }
  | {
      readonly kind: 'session';
      readonly callsMade: number;
      readonly callBudget: number;
      readonly status: string;
    }
  | { readonly kind: 'closed'; readonly callsMade: number }
  | { readonly kind: 'refused'; readonly code: string; readonly limit?: number; readonly used?: number };

export type SessionOperation = Operation<SessionInput, SessionOutput>;

export interface SessionState {
  readonly callBudget: number;
  readonly callsMade: number;
  /** `over`: somebody was told that its time is over. */
  readonly status: 'active' | 'over' | 'closed';
  /** Grants that are remembered by their id: how many calls each left. */
  readonly remembered: ReadonlyMap<string, number>;
}

export interface SessionModelOptions {
  readonly callBudget: number;
  /** Whether its time may run out while it is watched. */
  readonly mayExpire?: boolean;
  /** Whether it may be over for one caller and open for another, as where a clock is known only roughly, or set back. */
  readonly mayReopen?: boolean;
}

/**
 * A session as one caller at a time would meet it: each call is counted or refused, what is granted says how many calls
 * are left, and every refusal and every reading is true at its moment. Time is no part of it: a session may be found
 * over at any moment, and is over from then on.
 */
export function sessionModel(
  options: SessionModelOptions,
): SequentialModel<SessionState, SessionInput, SessionOutput> {
  return {
    initial: { callBudget: options.callBudget, callsMade: 0, status: 'active', remembered: new Map() },
    after: (state, input, output) =>
      output === undefined ? happened(state, input) : answered(state, input, output, options),
    nameOf: ({ callBudget, callsMade, status, remembered }) =>
      `${callBudget},${callsMade},${status},${[...remembered].map(([id, left]) => `${id}=${left}`).join()}`,
    nameOfInput: (input) => JSON.stringify(input),
  };
}

/** What an operation does that nobody was told about. */
function happened(state: SessionState, input: SessionInput): SessionState {
  if (input.kind === 'get') return state;
  if (input.kind === 'close') return { ...state, status: 'closed' };
  if (state.status !== 'active') return state;
  if (input.kind === 'extend') return { ...state, callBudget: state.callBudget + input.calls };
  const known = input.callId !== undefined && state.remembered.has(input.callId);
  const fits = state.callsMade + input.calls <= state.callBudget;
  return fits && !known ? counted(state, input.calls, input.callId) : state;
}

function counted(state: SessionState, calls: number, callId: string | undefined): SessionState {
  const callsMade = state.callsMade + calls;
  if (callId === undefined) return { ...state, callsMade };
  return {
    ...state,
    callsMade,
    remembered: new Map(state.remembered).set(callId, state.callBudget - callsMade),
  };
}

function answered(
  state: SessionState,
  input: SessionInput,
  output: SessionOutput,
  options: SessionModelOptions,
): SessionState | undefined {
  const { status, callsMade, callBudget } = state;
  if (output.kind === 'refused') return refused(state, input, output, options);
  if (input.kind === 'use' && output.kind === 'granted') {
    const before = input.callId === undefined ? undefined : state.remembered.get(input.callId);
    if (output.replayed) return before === output.remaining ? state : undefined;
    if (before !== undefined || status !== 'active') return undefined;
    const left = callBudget - callsMade - input.calls;
    return left >= 0 && left === output.remaining ? counted(state, input.calls, input.callId) : undefined;
  }
  // All others are told how many calls were made, and must be told the truth.
  if (output.kind === 'granted' || output.callsMade !== callsMade) return undefined;
  if (input.kind === 'close' && output.kind === 'closed')
    return status === 'closed' ? undefined : { ...state, status: 'closed' };
  if (output.kind !== 'session') return undefined;
  if (input.kind === 'extend') {
    const extended = { ...state, callBudget: callBudget + input.calls };
    return status === 'active' && output.callBudget === extended.callBudget ? extended : undefined;
  }
  if (input.kind !== 'get' || output.callBudget !== callBudget) return undefined;
  if (output.status === 'expired') return status === 'closed' ? undefined : overAt(state, options);
  return output.status === status ? state : undefined;
}

function refused(
  state: SessionState,
  input: SessionInput,
  { code, limit, used }: SessionOutput & { readonly kind: 'refused' },
  options: SessionModelOptions,
): SessionState | undefined {
  // A call that was granted before is answered as it was then, whatever has become of the session.
  if (input.kind === 'use' && input.callId !== undefined && state.remembered.has(input.callId))
    return undefined;
  switch (code) {
    case 'SESSION_CLOSED':
      return state.status === 'closed' ? state : undefined;
    case 'SESSION_EXPIRED':
      return state.status === 'closed' ? undefined : overAt(state, options);
    case 'BUDGET_EXCEEDED':
      if (input.kind !== 'use' || state.status !== 'active') return undefined;
      if (state.callsMade + input.calls <= state.callBudget) return undefined;
      return limit === state.callBudget && used === state.callsMade ? state : undefined;
    default:
      return undefined;
  }
}

function overAt(
  state: SessionState,
  { mayExpire = false, mayReopen = false }: SessionModelOptions,
): SessionState | undefined {
  if (!mayExpire) return undefined;
  return state.status === 'over' || mayReopen ? state : { ...state, status: 'over' };
}

/** An answer of task sessions as an output; nothing where its outcome is unknown, `none` where nothing happened. */
export function outputOf(answer: unknown): SessionOutput | 'unknown' | 'none' {
  const { ok, refusal, remaining, replayed, session, summary } = answer as {
    readonly ok: boolean;
    readonly refusal?: {
      readonly code: string;
      readonly limit?: number;
      readonly used?: number;
      readonly outcome?: string;
    };
    readonly remaining?: { readonly calls: number };
    readonly replayed?: boolean;
    readonly session?: { readonly callsMade: number; readonly callBudget: number; readonly status: string };
    readonly summary?: { readonly callsMade: number };
  };
  if (!ok && refusal) {
    const { code, limit, used, outcome } = refusal;
    if (code === 'STORAGE_UNAVAILABLE') return outcome === 'unknown' ? 'unknown' : 'none';
    return {
      kind: 'refused',
      code,
      ...(limit !== undefined && { limit }),
      ...(used !== undefined && { used }),
    };
  }
  if (remaining) return { kind: 'granted', remaining: remaining.calls, replayed: replayed === true };
  if (summary) return { kind: 'closed', callsMade: summary.callsMade };
  if (session) {
    const { callsMade, callBudget, status } = session;
    return { kind: 'session', callsMade, callBudget, status };
  }
  throw new Error(`what answer is this: ${JSON.stringify(answer)}`);
}
