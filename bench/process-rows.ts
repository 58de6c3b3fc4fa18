import { benchServers } from './bench-servers.js';
import { keep, note } from './report.js';
import { median } from './measure.js';
import { type ProcessRun, processRun } from './processes.js';
import { scale } from './scale.js';

const counts = [1, 2, 4, 8] as const;
const callers = 16;

type Rows = Record<string, () => Promise<void>>;

/** 1, 2, 4 and 8 processes on one hot session and on many, on every store that several processes can share. */
export function processRows(folder: string, sqlite: () => string): Rows {
  return {
    processes: () => measure(folder, 'SQLite', sqlite),
    'processes-postgres': () =>
      benchServers.postgres((url) => measure(folder, 'PostgreSQL', () => url, 'RLF PostgreSQL')),
    'processes-redis-always': () =>
      benchServers.redis('always', (url) => measure(folder, 'Redis always', () => url)),
    'processes-redis-everysec': () =>
      benchServers.redis('everysec', (url) => measure(folder, 'Redis everysec', () => url)),
  };
}

async function measure(
  folder: string,
  name: string,
  newStore: () => string,
  peer?: 'RLF PostgreSQL',
): Promise<void> {
  for (const processes of counts) {
    const runs: ProcessRun[] = [];
    const peers: ProcessRun[] = [];
    // How even the shares are, and who waits longest, is asked of 4 and 8; one and two say only how it scales.
    const rounds = processes >= 4 ? scale.processRounds : Math.ceil(scale.processRounds / 2);
    for (let round = 0; round < rounds; round++) {
      const plan = { url: newStore(), load: 'hot', callers, seconds: scale.processSeconds } as const;
      runs.push(await processRun(folder, processes, { ...plan, subject: 'Ambit' }));
      if (peer) peers.push(await processRun(folder, processes, { ...plan, subject: peer }));
    }
    noteHot(name, processes, runs, peers);
  }
  const alone: number[] = [];
  for (const processes of counts) {
    const seconds = Math.ceil(scale.processSeconds / 2);
    const plan = { subject: 'Ambit', url: newStore(), load: 'spread', callers, seconds } as const;
    const runs: ProcessRun[] = [];
    for (let round = 0; round < Math.ceil(scale.processRounds / 2); round++)
      runs.push(await processRun(folder, processes, plan));
    const perSecond = median(runs.map((run) => run.perSecond));
    alone.push(perSecond);
    keep(`${name}, ${processes} processes, spread`, runs);
    const miscounted = runs.reduce((total, run) => total + Math.abs(run.miscounted), 0);
    note({
      row: `${name}, ${processes} ${processes === 1 ? 'process' : 'processes'} x ${callers} callers over the same 2,000 sessions`,
      figures: `${perSecond.toLocaleString('en')} calls/s; miscounted ${miscounted}`,
      ratio: `${(perSecond / (alone[0] ?? perSecond)).toFixed(2)}x of one process`,
      target: '0 miscounted',
      reached: miscounted === 0,
    });
  }
}

/** The targets are those of 4 and 8 processes; fewer are only to be known, but must count right. */
function noteHot(
  name: string,
  processes: number,
  runs: readonly ProcessRun[],
  peers: readonly ProcessRun[],
): void {
  keep(`${name}, ${processes} processes, hot`, { runs, peers });
  const wait = median(runs.map((run) => run.worstWaitMs));
  const share = median(runs.map((run) => run.shareRatio));
  const worst = Math.max(...runs.map((run) => run.worstWaitMs));
  const miscounted = runs.reduce((total, run) => total + Math.abs(run.miscounted), 0);
  const perSecond = median(runs.map((run) => run.perSecond));
  const against = median(runs.map((run, round) => run.perSecond / (peers[round]?.perSecond ?? Number.NaN)));
  const crowded = processes >= 4;
  const targets = [
    ...(crowded ? ['no wait over 500 ms', 'at most 3x'] : []),
    ...(crowded && peers.length > 0 ? ['3x RLF'] : []),
    '0 miscounted',
  ];
  const peerFigures =
    peers.length > 0 ? `; RLF ${median(peers.map((run) => run.perSecond)).toLocaleString('en')}/s` : '';
  note({
    row: `${name}, ${processes} ${processes === 1 ? 'process' : 'processes'} x ${callers} callers on one hot session, ${scale.processSeconds} s`,
    figures: `${perSecond.toLocaleString('en')} calls/s${peerFigures}; worst of all runs ${worst} ms; miscounted ${miscounted}`,
    ratio: `longest wait ${wait} ms, largest share ${share.toFixed(2)}x the smallest${peers.length > 0 ? `, ${against.toFixed(2)}x RLF` : ''} (medians of ${runs.length})`,
    target: targets.join(', '),
    reached:
      miscounted === 0 &&
      (!crowded || (wait <= 500 && share <= 3)) &&
      (!crowded || peers.length === 0 || against >= 3),
  });
}
