import { asking } from '../servers/postgres-standby.js';
import { ownDatabase } from './postgres-databases.js';
import { expect, onTestFinished, test } from 'vitest';
import { findBinaries } from '../servers/postgres-server.js';
import { findProgram } from '../servers/guarded-servers.js';
import { openAmbit } from 'ambit';
import { readProjectFile } from '../house/project-files.js';
import { spawnSync } from 'node:child_process';

/** The SQL of the page, block by block. */
const blocks = [...readProjectFile('docs/postgres.md').matchAll(/^```sql\n([\s\S]*?)^```/gm)].map(
  ([, sql = '']) => sql,
);

/** Runs SQL as a DBA would, and answers what is printed: a line for each row, its columns separated by tabs. */
function psql(url: string, sql: string): string {
  const binaries = findBinaries();
  const program = findProgram('psql', binaries === undefined ? [] : [binaries]);
  if (!program) throw new Error('the SQL of docs/postgres.md is run with psql; install postgresql-client');
  const options = ['-X', '-q', '-A', '-t', '-F', '\t', '-v', 'ON_ERROR_STOP=1', '-d', url];
  const ran = spawnSync(program, options, { input: sql, encoding: 'utf8' });
  expect(ran.stderr).toBe('');
  expect(ran.status).toBe(0);
  return ran.stdout.replace(/\n$/, '');
}

test(
  'the SQL of the page: a user, and views that show what Ambit answers',
  { timeout: 120_000 },
  async () => {
    const url = await ownDatabase();
    const [user = '', views = '', runningOut = '', health = ''] = blocks;
    expect(blocks).toHaveLength(4);
    const role = `ambit_app_${process.pid}`;
    psql(url, user.replaceAll('ambit_app', role));
    onTestFinished(async () => {
      await asking(url, (ask) => ask(`DROP OWNED BY ${role} CASCADE; DROP ROLE ${role}`));
    });
    const app = Object.assign(new URL(url), { username: role, password: 'change me' }).href;

    const { tasks, web, close } = await openAmbit({ storage: app, sweepEveryMs: false });
    onTestFinished(() => close());
    const create = async (agentId: string, more: object = {}): Promise<string> => {
      const created = await tasks.create({
        agentId,
        declaredIntent: String.raw`tidy "up" \u0000 漢`,
        authorizedTools: ['read_*'],
        callBudget: 5,
        ...more,
      });
      if (!created.ok) throw new Error(created.refusal.message);
      return created.session.sessionId;
    };
    const active = await create('an agent!', { taskName: 'cleaning' });
    const closed = await create('an agent!');
    const child = await create('an agent!', { parentSessionId: active });
    await create('other');
    for (const callId of ['one', 'two', 'three', 'four of a kind!']) {
      expect(await tasks.use(active, 'read_file', { callId })).toMatchObject({ ok: true });
    }
    await tasks.close(closed);
    await tasks.deactivateAgent('other');
    const login = await web.create({ data: {}, user: { userId: 'u-1', userName: 'Ann Lee' } });
    if (!login.ok) throw new Error(login.refusal.message);
    // A deleted record leaves a mark behind for a minute.
    psql(
      url,
      `INSERT INTO ambit.record VALUES ('$task-use $gone ', 'v', 'null'), ('$agent $gone ', 'v', 'null'), ('$web $gone ', 'v', 'null')`,
    );

    psql(url, views);
    // Other values hold what PostgreSQL has no place for, and it must not stumble over it.
    const odd = JSON.stringify({ a: '\u0000 \ud800 \udfff \ud83d\ude00' });
    expect(psql(url, `SELECT sessions.json_of($$${odd}$$) ->> 'a'`)).toBe(
      '\ufffd \ufffd \ufffd \ud83d\ude00',
    );
    const rows = await asking(url, (ask) =>
      ask('SELECT * FROM sessions.task ORDER BY created_at, session_id'),
    );
    expect(rows).toHaveLength(4);
    for (const row of rows) {
      const got = await tasks.get(String(row['session_id']));
      if (!got.ok) throw new Error(got.refusal.message);
      const { session } = got;
      expect(row).toEqual({
        session_id: session.sessionId,
        agent_id: session.agentId,
        task_name: session.taskName ?? null,
        declared_intent: String.raw`tidy "up" \ufffd 漢`,
        authorized_tools: ['read_*'],
        status: session.status,
        calls_made: session.callsMade,
        call_budget: 5,
        created_at: new Date(session.createdAtMs),
        expires_at: new Date(session.expiresAtMs),
        closed_at: session.closedAtMs === undefined ? null : new Date(session.closedAtMs),
        parent_session_id: session.parentSessionId ?? null,
      });
    }
    expect(rows.find((row) => row['session_id'] === child)?.['parent_session_id']).toBe(active);
    expect(
      psql(url, 'SELECT agent_id, live_sessions, deactivated_at IS NOT NULL FROM sessions.agent ORDER BY 1'),
    ).toBe('an agent!\t2\tf\nother\t0\tt');
    expect(psql(url, 'SELECT session_id, call_id, tools FROM sessions.task_call ORDER BY 2')).toBe(
      ['four of a kind!', 'one', 'three', 'two'].map((id) => `${active}\t${id}\t["read_file"]`).join('\n'),
    );
    const columns = `user_id, user_name, id_sha256 ~ '^[0-9A-Za-z_-]{32,}$', expires_at > clock_timestamp()`;
    expect(psql(url, `SELECT ${columns} FROM sessions.web`)).toBe('u-1\tAnn Lee\tt\tt');
    expect(psql(url, runningOut).split('\t').slice(0, 2)).toEqual([active, 'an agent!']);
    expect(psql(url, health)).toMatch(/^\d+\t\d+\t/);
  },
);
