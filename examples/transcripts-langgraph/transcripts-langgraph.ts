/**
 * A graph of three steps whose process is killed with `kill -9` in the second, and which another process takes up again
 * where it was. Nothing but this machine is needed.
 *
 *   npx tsx examples/transcripts-langgraph/transcripts-langgraph.ts
 */
import { Annotation, END, START, StateGraph } from '@langchain/langgraph';
import { mkdtempSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { langGraphSaver } from 'ambit/langgraph';
import { openAmbit } from 'ambit';
import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';

// Each step waits until the one before is durable; else LangGraph writes behind, and a step more is done again.
const config = { configurable: { thread_id: 'report' }, durability: 'sync' as const };

/** Runs the graph from its beginning, or from where it was left; with `dies`, the process ends in the second step. */
async function runGraph(storage: string, dies: boolean): Promise<void> {
  const ambit = await openAmbit({ storage });
  const State = Annotation.Root({
    done: Annotation<string[]>({ reducer: (before, more) => [...before, ...more], default: () => [] }),
  });
  const step = (name: string) => () => {
    console.log(`process ${process.pid}: ${name}`);
    if (dies && name === 'write') process.kill(process.pid, 'SIGKILL');
    return { done: [name] };
  };
  const graph = new StateGraph(State)
    .addNode('research', step('research'))
    .addNode('write', step('write'))
    .addNode('review', step('review'))
    .addEdge(START, 'research')
    .addEdge('research', 'write')
    .addEdge('write', 'review')
    .addEdge('review', END)
    .compile({ checkpointer: langGraphSaver(ambit.transcripts, { keep: 50 }) });

  const { next } = await graph.getState(config);
  if (next.length > 0) console.log(`process ${process.pid}: goes on with ${next.join(', ')}`);
  // Nothing as input: go on from the last checkpoint.
  const state = await graph.invoke(next.length > 0 ? null : { done: [] }, config);
  console.log(`done: ${state.done.join(', ')}`);
  await ambit.close();
}

const [storage, dies] = process.argv.slice(2);
if (storage !== undefined) await runGraph(storage, dies === 'dies');
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
