import type { Readable } from 'node:stream';
import { createCallMemory } from './call-memory.js';
import { handleClientLine } from './client-side.js';
import { createLineCutter, type FrameLine } from './frame-lines.js';
import { createFrameWriter } from './frame-writer.js';
import type { LeashContext, PendingRequest } from './leash-context.js';
import { leashLimitsDefault, noticesMax } from './leash-limits.js';
import type { LeashEnd, LeashOptions } from './leash-types.js';
import { createMethodPolicy } from './method-rules.js';
import { createRequestTable } from './request-table.js';
import { handleServerLine } from './server-side.js';
import { createUpstreamQueue } from './upstream-queue.js';

export type { LeashDecision, LeashEnd, LeashOptions, ToolAuthorizer, ToolGrant } from './leash-types.js';

/**
 * Passes JSON-RPC lines between an MCP client and an MCP server (stdio transport, revisions 2025-11-25 and
 * 2026-07-28), and checks every `tools/call` on the way: it goes upstream once `authorizer.use` has granted it, or is
 * answered with a refusal. Frames of the client that two parsers could read differently are refused.
 *
 * When the client's input ends, the server's input is ended after what was granted; the promise resolves once the
 * server's output has ended and everything was written to the client, whose input is destroyed then. It rejects for
 * nothing that either side sends; only if `onDecision` throws.
 *
 * @example
 * ```ts
 * const server = await startServerProcess({ command: 'npx', args: ['-y', '@modelcontextprotocol/server-filesystem', '.'] });
 * const end = await runLeash({
 *   authorizer,
 *   client: { input: process.stdin, output: process.stdout },
 *   server,
 *   onClientEnd: () => void server.stop(),
 * });
 * ```
 */
export async function runLeash(options: LeashOptions): Promise<LeashEnd> {
  const { client, server } = options;
  const counts = { callsGranted: 0, callsRefused: 0 };
  let endedBy: LeashEnd['endedBy'] | undefined;
  let fail: (error: unknown) => void = () => {};
  const failure = new Promise<never>((_, reject) => {
    fail = reject;
  });

  const context = createContext(options, {
    // Nobody hears the answers any more: what else the client says is not to be done either.
    onClientGone() {
      client.input.destroy();
      answers.giveUp();
    },
    decided(decision) {
      if (decision.code === 'GRANTED') counts.callsGranted++;
      else counts.callsRefused++;
      try {
        options.onDecision?.(decision);
      } catch (error) {
        fail(error);
      }
    },
  });

  const answers = createAnswersWait(context);

  async function readClient(): Promise<void> {
    await pumpLines(client.input, context.limits.upstreamLineBytesMax, async (line) => {
      if (context.toClient.isClosed || endedBy !== undefined) return;
      handleClientLine(context, line);
      await context.upstream.room();
      await context.toClient.room();
    });
    if (endedBy !== undefined) return;
    endedBy = 'client';
    // What was granted is sent before the end; no backpressure holds it back, the queue is bounded.
    await context.upstream.settled();
    context.toServer.end();
    await answers.awaited();
    options.onClientEnd?.();
  }

  async function readServer(): Promise<void> {
    await pumpLines(server.output, context.limits.downstreamLineBytesMax, async (line) => {
      await handleServerLine(context, line);
      answers.look();
      await context.toClient.room();
    });
    endedBy ??= 'server';
    answers.giveUp();
    // Wakes the loop that reads the client, so that no further call is charged.
    client.input.destroy();
    await context.upstream.settled();
    await context.toClient.flushed();
  }

  readClient().catch(fail);
  try {
    await Promise.race([readServer(), failure]);
    return { endedBy: endedBy ?? 'server', ...counts };
  } finally {
    client.input.destroy();
    context.toServer.end();
  }
}

/** Waits, once the client has said its last, for the answers it still wants. */
interface AnswersWait {
  /** Resolves when none is missing, when nobody would hear it, or when it took too long. */
  awaited(): Promise<void>;
  /** To be called after each line of the server. */
  look(): void;
  giveUp(): void;
}

function createAnswersWait({ clientRequests, limits, toClient }: LeashContext): AnswersWait {
  let wake: (() => void) | undefined;
  let isOver = false;
  // A subscription is answered when it ends, and it is the server's to end.
  const isMissing = (): boolean => clientRequests.some(({ method }) => method !== 'subscriptions/listen');
  return {
    async awaited() {
      if (isOver || toClient.isClosed || !isMissing()) return;
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((resolve) => {
        wake = resolve;
        timer = setTimeout(resolve, limits.answersWaitMsMax);
      });
      clearTimeout(timer);
    },
    look() {
      if (wake && !isMissing()) wake();
    },
    giveUp() {
      isOver = true;
      wake?.();
    },
  };
}

/** No slash: `a` with the tool `b/c` and `a/b` with the tool `c` would be one name in a shared session. */
const serverNamePattern = /^[A-Za-z0-9_.:-]{1,64}$/;

/** What the name of a server must be, where it is not. */
export function serverNameProblem(name: string): string | undefined {
  return serverNamePattern.test(name) ? undefined : '1 to 64 letters, digits and _ . : - only, such as files';
}

interface ContextHooks {
  readonly onClientGone: () => void;
  readonly decided: LeashContext['decided'];
}

function createContext(options: LeashOptions, hooks: ContextHooks): LeashContext {
  const { serverName } = options;
  const problem = serverName === undefined ? undefined : serverNameProblem(serverName);
  if (problem !== undefined) throw new TypeError(`server name: ${problem}`);
  const limits = { ...leashLimitsDefault, ...options.limits };
  const memory = createCallMemory();
  const toServer = createFrameWriter(options.server.input, () => notice('the server no longer reads'));
  const toClient = createFrameWriter(options.client.output, hooks.onClientGone);
  let noticesLeft = noticesMax;

  function notice(text: string): void {
    if (noticesLeft === 0) return;
    noticesLeft--;
    options.onNotice?.(noticesLeft === 0 ? `${text} (no more of these are told)` : text);
  }

  return {
    authorizer: options.authorizer,
    limits,
    memory,
    policy: createMethodPolicy(options.allowedMethods ?? [], (taskId) => memory.ownsTask(taskId)),
    clientRequests: createRequestTable<PendingRequest>(limits.requestsInFlightMax),
    serverRequests: createRequestTable<true>(limits.requestsInFlightMax),
    toServer,
    upstream: createUpstreamQueue(toServer),
    toClient,
    storeName: (tool) => (serverName === undefined ? tool : `${serverName}/${tool}`),
    decided: hooks.decided,
    notice,
  };
}

/** Hands over line after line, waiting for each to be dealt with before more is read. A broken pipe is an end. */
async function pumpLines(
  stream: Readable,
  lineBytesMax: number,
  handle: (line: FrameLine) => Promise<void>,
): Promise<void> {
  const cutter = createLineCutter(lineBytesMax);
  for await (const chunk of untilBroken(stream)) {
    for (const line of cutter.push(bytesOf(chunk))) await handle(line);
  }
  for (const line of cutter.end()) await handle(line);
}

/** The chunks of a stream. One that breaks or is destroyed has ended; only errors of who reads it are errors. */
async function* untilBroken(stream: Readable): AsyncGenerator {
  try {
    yield* stream;
  } catch {
    // EPIPE, ECONNRESET, or destroyed while it was awaited.
  }
}

function bytesOf(chunk: unknown): Buffer {
  return Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk as Uint8Array | string);
}
