/**
 * An agent whose process is killed with `kill -9` in the middle of a turn. Another process finds every turn that was over,
 * and has the interrupted one anew. The model is a script: nothing but this machine is needed.
 *
 *   npx tsx examples/transcripts-openai-agents/transcripts-openai-agents.ts
 */
import { Agent, run, tool } from '@openai/agents';
import { assistantMessage, functionCall, ScriptedModel } from '@openai/agents/testing';
import { mkdtempSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { openAiAgentsSession } from 'ambit/openai-agents';
import { openAmbit } from 'ambit';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';

const lookUp = (dies: boolean) =>
  tool({
    name: 'look_up',
    description: 'looks something up',
    parameters: { type: 'object', properties: {}, required: [], additionalProperties: false },
    strict: true,
    execute: async () => {
      if (dies) process.kill(process.pid, 'SIGKILL');
      return 'the bounds of a thing';
    },
  });

/** Has the conversation, or takes it up again where it was left. */
async function talk(storage: string, dies: boolean): Promise<void> {
  const ambit = await openAmbit({ storage });
  const session = openAiAgentsSession(ambit.transcripts, { sessionId: 'chat' });
  const before = await session.getItems();
  console.log(`process ${process.pid} finds ${before.length} items`);
  const agent = (model: ScriptedModel) => new Agent({ name: 'Assistant', model, tools: [lookUp(dies)] });
  if (before.length === 0) {
    await run(agent(new ScriptedModel([[assistantMessage('Hello.')]])), 'Hi!', { session });
  }
  const model = new ScriptedModel([
    [functionCall('look_up', {}, { callId: 'call-1' })],
    [assistantMessage('An ambit is the bounds of a thing.')],
  ]);
  const result = await run(agent(model), 'What is an ambit?', { session });
  console.log(`answer: ${result.finalOutput}`);
  console.log(`items: ${(await session.getItems()).map((item) => item.type ?? 'message').join(', ')}`);
  await ambit.close();
}

const [storage, dies] = process.argv.slice(2);
if (storage !== undefined) await talk(storage, dies === 'dies');
else {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-example-'));
  const again = (...args: string[]) =>
    spawnSync(
      process.execPath,
      [...process.execArgv, fileURLToPath(import.meta.url), `sqlite:${join(folder, 'ambit.db')}`, ...args],
      {
        stdio: ['ignore', 'inherit', 'inherit'],
      },
    );
  const first = again('dies');
  console.log(`the first process was ended by ${first.signal}`);
  process.exitCode = again().status ?? 1;
  rmSync(folder, { recursive: true, force: true });
}
