/**
 * Appends to one session until it is killed. Says on stdout what it is about to send, and what was acknowledged. From dist/, as
 * users run it.
 *
 *   node append-child.js STORAGE_URL SESSION_ID WRITER
 */
import { openAmbit } from '../../dist/index.js';

const [url, sessionId, writer] = /** @type {[string, string, string]} */ (process.argv.slice(2));
const ambit = await openAmbit({ storage: url });

/** @param {number} lane */
async function write(lane) {
  for (let index = 0; ; index++) {
    const name = `${writer}.${lane}.${index}`;
    const entries = [
      { type: /** @type {const} */ ('turn'), turnId: name, usage: { inputTokens: 1 } },
      { type: /** @type {const} */ ('message'), message: { role: 'user', content: name } },
    ];
    // One write each, so that a line is whole or not there.
    process.stdout.write(`sent ${name}\n`);
    const answer = await ambit.transcripts.append(sessionId, entries, {
      operationId: name,
      create: { agentId: 'killed' },
    });
    if (!answer.ok) throw new Error(answer.refusal.message);
    process.stdout.write(`done ${name}\n`);
  }
}

await Promise.all([write(0), write(1), write(2)]);
