import type { Capabilities, Durability, Storage } from './storage/storage.js';
import { assertDurability, openStorage } from './open-storage.js';
import type { Scopes, ScopeSettings } from './scopes/scope-types.js';
import type { TaskSessions, TaskSettings } from './tasks/task-types.js';
import type { WebSessions, WebSettings } from './web/web-types.js';
import { AmbitError } from './core/errors.js';
import { copyMarkKey, unfinishedCopy } from './core/copy-mark.js';
import { createEngine } from './engine/create-engine.js';
import { dayMs } from './core/time.js';
import { createSessionMirror } from './mirror/session-mirror.js';
import { createScopes } from './scopes/scopes.js';
import { createTaskSessions } from './tasks/task-sessions.js';
import { createTranscripts } from './transcripts/transcripts.js';
import { createWebSessions } from './web/web-sessions.js';
import { parseStorageUrl } from './core/storage-url.js';
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { startSweeper } from './engine/sweeper.js';
import { taskSource, transcriptSource } from './mirror/mirror-sources.js';
import type { Transcripts } from './transcripts/transcripts-face.js';
import type { TranscriptSettings } from './transcripts/transcript-input-types.js';
import { watchedStorage } from './mirror/watched-storage.js';

/** How `openAmbit` opens: the store, what it must survive, and the bounds of sessions. */
export interface AmbitOptions {
  /** A URL (`memory:`, `sqlite:./ambit.db`), or a store that was opened already, which Ambit then owns and closes. */
  readonly storage: string | Storage;
  /**
   * The least that an acknowledged call must survive: `power` unless said, and `none` for `memory:`, whose name says so.
   * A store that gives less is refused at open.
   */
  readonly durability?: Durability['level'];
  readonly tasks?: TaskSettings;
  readonly web?: WebSettings;
  readonly scopes?: ScopeSettings;
  readonly transcripts?: TranscriptSettings;
  /**
   * Where each task session and transcript is also written as a JSON file for people, some time after it changed; `false`
   * for nowhere. Unless said, a `file:` URL has them in `sessions`, in the directory of the store, and other stores nowhere.
   */
  readonly mirror?: false | { readonly directory: string };
  /** How often records past their retention are deleted, in milliseconds; every minute unless said, `false` for never. */
  readonly sweepEveryMs?: number | false;
  /** Memory for cached records, in bytes; 64 MiB unless said. */
  readonly cacheBytesMax?: number;
}

/** An open Ambit. */
export interface Ambit {
  readonly tasks: TaskSessions;
  readonly web: WebSessions;
  readonly scopes: Scopes;
  readonly transcripts: Transcripts;
  /** What the store is, and what an acknowledged call survives. */
  readonly capabilities: Capabilities;
  /** Refuses what comes from now on, waits for what was accepted, and closes the store. */
  close(): Promise<void>;
}

const sweepEveryMsDefault = 60_000;
/** More often, and a store with nothing to delete is mostly asked whether it has something. */
const sweepEveryMsMin = 1_000;
/** A timer takes 2^31 - 1 ms at most, and fires at once, all the time, when it is given more. */
const sweepEveryMsMax: number = dayMs;

/** Stores that have an owner: two engines on one of them would each believe its cache. */
const owned = new WeakSet<Storage>();

/**
 * Opens Ambit over a store.
 *
 * @throws AmbitError `INVALID_INPUT` for a wrong URL or setting, `DURABILITY_TOO_WEAK`, `COPY_UNFINISHED` for the target of a
 * copy that is still under way or was stopped, and what opening the store throws
 * @example
 * ```ts
 * import { openAmbit } from 'ambit';
 *
 * const ambit = await openAmbit({ storage: 'sqlite:./ambit.db' });
 * const created = await ambit.tasks.create({
 *   agentId: 'agent-1',
 *   declaredIntent: 'tidy up the downloads folder',
 *   authorizedTools: ['read_*', 'move_file'],
 *   callBudget: 50,
 * });
 * if (created.ok) {
 *   const answer = await ambit.tasks.use(created.session.sessionId, 'read_file');
 *   console.log(answer.ok ? answer.remaining.calls : answer.refusal.message);
 * }
 * await ambit.close();
 * ```
 */
export async function openAmbit(options: AmbitOptions): Promise<Ambit> {
  checkOptions(options);
  const byUrl = typeof options.storage === 'string';
  const storage = typeof options.storage === 'string' ? await openStorage(options.storage) : options.storage;
  if (owned.has(storage)) {
    throw new AmbitError(
      'INVALID_INPUT',
      'this storage object is in use by another Ambit; open a second one',
    );
  }
  owned.add(storage);
  try {
    const isMemory = byUrl && storage.capabilities.name === 'memory';
    assertDurability(storage, options.durability ?? (isMemory ? 'none' : 'power'));
    const unfinished = unfinishedCopy((await storage.read([copyMarkKey])).records[0]);
    if (unfinished) throw unfinished;
    const { cacheBytesMax } = options;
    const directory = mirrorDirectoryOf(options);
    const mirror = directory === undefined ? undefined : createSessionMirror(directory);
    const engine = createEngine(mirror ? watchedStorage(storage, mirror.written) : storage, {
      instanceId: randomId(),
      ...(cacheBytesMax !== undefined && { cacheBytesMax }),
    });
    const tasks = createTaskSessions(engine, options.tasks);
    const web = createWebSessions(engine, options.web);
    const { scopes, stop } = createScopes(engine, options.scopes, { faceId: randomId() });
    const transcripts = createTranscripts(engine, options.transcripts);
    mirror?.start([taskSource(tasks), transcriptSource(transcripts)]);
    const { sweepEveryMs = sweepEveryMsDefault } = options;
    const sweep = async (): Promise<void> => {
      await tasks.sweep();
      await scopes.sweep();
      await transcripts.collect();
    };
    const sweeper = sweepEveryMs === false ? undefined : startSweeper(sweep, sweepEveryMs);
    const close = async (): Promise<void> => {
      stop();
      await sweeper?.stop();
      await mirror?.close();
      await engine.close();
    };
    let closed: Promise<void> | undefined;
    return {
      tasks,
      web,
      scopes,
      transcripts,
      capabilities: storage.capabilities,
      close: () => (closed ??= close()),
    };
  } catch (error) {
    await storage.close();
    throw error;
  }
}

function mirrorDirectoryOf({ storage, mirror }: AmbitOptions): string | undefined {
  if (mirror !== undefined) return mirror === false ? undefined : resolve(mirror.directory);
  if (typeof storage !== 'string') return undefined;
  const location = parseStorageUrl(storage);
  return location.kind === 'file' ? resolve(location.path, 'sessions') : undefined;
}

/** 64 random bits: no two engines that ever share a store draw the same. */
function randomId(): string {
  return randomBytes(8).toString('base64url');
}

/** Every option by name: one that is mistyped must not quietly leave what it was to change as it is. */
const known: Readonly<Record<keyof AmbitOptions, true>> = {
  storage: true,
  durability: true,
  tasks: true,
  web: true,
  scopes: true,
  transcripts: true,
  mirror: true,
  sweepEveryMs: true,
  cacheBytesMax: true,
};

/** Checked before there is a file to create. */
function checkOptions(options: AmbitOptions): void {
  if (!isObject(options)) throw new TypeError('openAmbit needs an object of options');
  const unknown = Object.keys(options).find((name) => !Object.hasOwn(known, name));
  if (unknown !== undefined) {
    throw new AmbitError('INVALID_INPUT', `openAmbit: ${unknown} is no option of it; check its spelling`);
  }
  const { storage, mirror, sweepEveryMs, cacheBytesMax } = options;
  if (typeof storage !== 'string' && !isObject(storage)) {
    throw new TypeError("openAmbit: storage must be a URL, such as 'sqlite:./ambit.db', or a store");
  }
  if (mirror !== undefined && mirror !== false && (!isObject(mirror) || typeof mirror.directory !== 'string'))
    throw new TypeError('openAmbit: mirror must be false, or an object with a directory');
  if (sweepEveryMs !== false) checkWhole('sweepEveryMs', sweepEveryMs, sweepEveryMsMin, sweepEveryMsMax);
  checkWhole('cacheBytesMax', cacheBytesMax, 0, Number.MAX_SAFE_INTEGER);
}

function isObject(value: unknown): boolean {
  return typeof value === 'object' && value !== null;
}

function checkWhole(option: string, value: number | undefined, min: number, max: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= min && value <= max)) return;
  const or = option === 'sweepEveryMs' ? 'false or ' : '';
  throw new AmbitError(
    'INVALID_INPUT',
    `openAmbit: ${option} is ${value}; it must be ${or}a whole number from ${min} to ${max}`,
  );
}
