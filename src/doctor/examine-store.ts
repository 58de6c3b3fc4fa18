import { AmbitError, type Durability, type Storage, type StorageDescription } from '../storage/storage.js';
import { type ExactnessResult, testExactness } from './exactness-test.js';
import { parseStorageUrl, redactStorageUrl, type StorageLocation } from '../core/storage-url.js';
import { copyMarkKey, unfinishedCopy } from '../core/copy-mark.js';
import { openStorage } from '../open-storage.js';

/** One thing that was looked at. */
export interface StoreCheck {
  readonly name: 'reachable' | 'copy' | 'durability' | 'settings' | 'clock' | 'exactness';
  /** `warning`: it holds what it promises, but there is something to know. */
  readonly status: 'ok' | 'warning' | 'failed';
  /** One line for a person. */
  readonly message: string;
}

/** What `examineStore` found. */
export interface StoreReport {
  /** The URL as it may be shown. */
  readonly url: string;
  /** Whether nothing failed. */
  readonly ok: boolean;
  readonly checks: readonly StoreCheck[];
  /** The backend's name, once it was opened: `sqlite`, `postgres`, … */
  readonly backend?: string;
  readonly durability?: Durability;
  /** Versions and settings, where the backend tells them. */
  readonly description?: StorageDescription;
  /** The store's clock minus this machine's, in milliseconds, give or take `uncertaintyMs`. */
  readonly clock?: { readonly offsetMs: number; readonly uncertaintyMs: number };
  readonly exactness?: ExactnessResult;
  /** The error that opening failed with; its code tells what kind it was. */
  readonly error?: { readonly code: string; readonly message: string };
}

/** How `examineStore` examines. */
export interface ExamineOptions {
  /** How long the exactness test hammers, in milliseconds: 2,000 unless said. */
  readonly hammerMs?: number;
}

/** How often the store's clock is asked: the answer that took the least time bounds it best. */
const clockAnswers = 7;

/** Past it, times that people compare with their own clock look wrong. Ambit itself goes by the store's clock alone. */
const clockOffsetMsMax = 5_000;

/** So many openings at once as there are replicas in a small deployment. */
const openingsAtOnce = 4;

/**
 * Examines a store: can it be reached, what does an acknowledged call survive, how is it set, what does its clock say,
 * and does it count exactly when several openings hammer one session. What the last of these writes is deleted again. A
 * store that is not there yet is created, as by `openAmbit`. The target of a copy that is not finished fails `copy`, and is not
 * written to.
 *
 * What is wrong with the store is in the report.
 *
 * @throws TypeError for a URL that is no string; AmbitError `INVALID_INPUT` for one that is no storage URL
 * @example
 * ```ts
 * import { examineStore } from 'ambit';
 *
 * const report = await examineStore('sqlite:./ambit.db');
 * for (const { name, status, message } of report.checks) console.log(name, status, message);
 * ```
 */
export async function examineStore(url: string, options: ExamineOptions = {}): Promise<StoreReport> {
  const location = parseStorageUrl(url);
  const shown = redactStorageUrl(url);
  let storage: Storage;
  try {
    storage = await openStorage(url);
  } catch (error) {
    if (!(error instanceof AmbitError)) throw error;
    const { code, message } = error;
    const checks: StoreCheck[] = [{ name: 'reachable', status: 'failed', message }];
    return { url: shown, ok: false, checks, error: { code, message } };
  }
  try {
    const found = await examineOpened(storage, url, location, options.hammerMs ?? 2_000);
    return { url: shown, ok: found.checks.every((check) => check.status !== 'failed'), ...found };
  } finally {
    await storage.close();
  }
}

async function examineOpened(
  storage: Storage,
  url: string,
  location: StorageLocation,
  hammerMs: number,
): Promise<Omit<StoreReport, 'url' | 'ok'>> {
  const { name: backend, durability } = storage.capabilities;
  const checks: StoreCheck[] = [];
  let report: Omit<StoreReport, 'url' | 'ok' | 'checks'> = { backend, durability };
  /** Does one examination; a store that fails it fails the check, and what comes after it is tried all the same. */
  const examine = async (check: StoreCheck['name'], look: () => Promise<StoreCheck>): Promise<void> => {
    try {
      checks.push(await look());
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      checks.push({ name: check, status: 'failed', message });
    }
  };

  await examine('reachable', async () => {
    const description = await storage.describe?.();
    await storage.read([]);
    if (description) report = { ...report, description };
    const server = description ? description.server : `the ${backend} store`;
    const schema = description?.schemaVersion === undefined ? '' : `, schema ${description.schemaVersion}`;
    return { name: 'reachable', status: 'ok', message: `${server}${schema}` };
  });
  const unfinished = await unfinishedOf(storage);
  if (unfinished !== undefined) checks.push({ name: 'copy', status: 'failed', message: unfinished });
  checks.push(durabilityCheck(durability, location));
  if (report.description) checks.push(settingsCheck(report.description));
  await examine('clock', async () => {
    const clock = await clockOf(storage);
    report = { ...report, clock };
    return clockCheck(clock);
  });
  // The test writes, and the copy would take that for somebody else's.
  if (unfinished !== undefined) return { ...report, checks };
  await examine('exactness', async () => {
    const exactness = await exactnessOf(storage, url, hammerMs);
    report = { ...report, exactness };
    return exactnessCheck(exactness);
  });
  return { ...report, checks };
}

/** A store that does not answer fails the other checks. */
async function unfinishedOf(storage: Storage): Promise<string | undefined> {
  try {
    return unfinishedCopy((await storage.read([copyMarkKey])).records[0])?.message;
  } catch {
    return undefined;
  }
}

/** What an acknowledged call survives, in plain words. */
function durabilityWords(durability: Durability): string {
  switch (durability.level) {
    case 'power':
      return 'an acknowledged call survives a loss of power';
    case 'process':
      return 'an acknowledged call survives a crash of the process, but a loss of power can take the last ones back';
    case 'bounded-loss':
      return `a crash or a loss of power can take back the calls acknowledged in the last ${durability.lossWindowMs / 1_000} s`;
    default:
      return 'nothing is kept: acknowledged calls are gone with the process that holds them';
  }
}

function durabilityCheck(durability: Durability, location: StorageLocation): StoreCheck {
  const words = durabilityWords(durability);
  const { level } = durability;
  if (level === 'power' || location.kind === 'memory')
    return { name: 'durability', status: 'ok', message: words };
  const advice = `openAmbit refuses it unless durability: '${level}' accepts that (in a URL for the command line: ?durability=${level})`;
  return { name: 'durability', status: 'warning', message: `${words}; ${advice}` };
}

function settingsCheck({ warnings }: StorageDescription): StoreCheck {
  return warnings.length === 0
    ? { name: 'settings', status: 'ok', message: 'nothing to object to' }
    : { name: 'settings', status: 'warning', message: warnings.join('; ') };
}

/** The offset between the two clocks, bounded by question and answer (Cristian, 1989). */
async function clockOf(storage: Storage): Promise<{ offsetMs: number; uncertaintyMs: number }> {
  if (storage.clock) return { offsetMs: 0, uncertaintyMs: 0 };
  let best = { offsetMs: 0, uncertaintyMs: Number.POSITIVE_INFINITY };
  for (let answer = 0; answer < clockAnswers; answer++) {
    const sentMs = Date.now();
    const startMs = performance.now();
    const { nowMs } = await storage.read([]);
    const halfMs = (performance.now() - startMs) / 2;
    // Both clocks are read in whole milliseconds.
    const uncertaintyMs = Math.ceil(halfMs) + 1;
    if (uncertaintyMs < best.uncertaintyMs)
      best = { offsetMs: Math.round(nowMs - sentMs - halfMs), uncertaintyMs };
  }
  return best;
}

function clockCheck({ offsetMs, uncertaintyMs }: { offsetMs: number; uncertaintyMs: number }): StoreCheck {
  if (uncertaintyMs === 0) return { name: 'clock', status: 'ok', message: "this machine's" };
  const offset = Math.abs(offsetMs);
  if (offset <= uncertaintyMs)
    return { name: 'clock', status: 'ok', message: `as this machine's, give or take ${uncertaintyMs} ms` };
  const words = `${offset} ms ${offsetMs > 0 ? 'ahead of' : 'behind'} this machine's, give or take ${uncertaintyMs} ms`;
  if (offset <= clockOffsetMsMax) return { name: 'clock', status: 'ok', message: words };
  return {
    name: 'clock',
    status: 'warning',
    message: `${words}: limits hold all the same, since the store's clock counts, but times look shifted here; set one of the two`,
  };
}

/** Through several openings, where the store can have more than one. */
async function exactnessOf(storage: Storage, url: string, hammerMs: number): Promise<ExactnessResult> {
  const others: Storage[] = [];
  try {
    if (storage.capabilities.sharing !== 'exclusive')
      for (let opening = 1; opening < openingsAtOnce; opening++) others.push(await openStorage(url));
    return await testExactness([storage, ...others], hammerMs);
  } finally {
    for (const other of others) await other.close();
  }
}

/** What is to be said of the result of that test. */
export function exactnessCheck(result: ExactnessResult): StoreCheck {
  const { granted, counted, budget, grantedOfBudget, countedOfBudget, failed, openings, callers } = result;
  const who = `${openings} ${openings === 1 ? 'opening' : 'openings'} with ${callers} callers each`;
  if (failed > 0) {
    const message = `${failed} calls were not answered, the first because: ${result.failure ?? 'unknown'}`;
    return { name: 'exactness', status: 'failed', message };
  }
  if (granted !== counted || grantedOfBudget !== countedOfBudget || grantedOfBudget > budget) {
    const message = `NOT EXACT: ${who} were granted ${granted} calls and the store counted ${counted}; of a budget of ${budget}, ${grantedOfBudget} were granted and ${countedOfBudget} counted`;
    return { name: 'exactness', status: 'failed', message };
  }
  const figures = `${who}: ${granted} calls granted and ${counted} counted, ${grantedOfBudget} of a budget of ${budget}; ${result.callsPerSecond} calls/s, longest wait ${result.longestWaitMs} ms`;
  if (grantedOfBudget < budget) {
    const message = `${figures}; so slow that the budget was not used up`;
    return { name: 'exactness', status: 'warning', message };
  }
  if (result.cleanedUp) return { name: 'exactness', status: 'ok', message: figures };
  const message = `${figures}; what it wrote could not be deleted, and goes with a sweep in a day`;
  return { name: 'exactness', status: 'warning', message };
}
