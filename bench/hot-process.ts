/** One of several processes on one hot session: argv is the storage URL, the session, callers and seconds. */
import { openAmbit } from '../dist/index.js';

const [storage = '', sessionId = '', callers = '16', seconds = '10'] = process.argv.slice(2);
const ambit = await openAmbit({ storage, sweepEveryMs: false });
process.stdout.write('ready\n');
await new Promise((resolve) => process.stdin.once('data', resolve));

const endMs = performance.now() + Number(seconds) * 1_000;
let granted = 0;
let refused = 0;
let worstMs = 0;
await Promise.all(
  Array.from({ length: Number(callers) }, async () => {
    while (performance.now() < endMs) {
      const startMs = performance.now();
      const answer = await ambit.tasks.use(sessionId, 'read_file');
      worstMs = Math.max(worstMs, performance.now() - startMs);
      if (answer.ok) granted++;
      else refused++;
    }
  }),
);
await ambit.close();
process.stdout.write(`${JSON.stringify({ granted, refused, worstMs })}\n`);
process.exit(0);
