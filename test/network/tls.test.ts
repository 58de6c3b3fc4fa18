import { certificateFile, startTlsProxy } from '../servers/tls-proxy.js';
import { expect, test } from 'vitest';
import { oneLine, openDesk } from '../cli/cli-processes.js';
import { openAmbit } from 'ambit';
import { sharedServerUrl } from '../servers/shared-server.js';

/** Where a server listens whose URL does not say it. */
const defaultPorts: Readonly<Record<string, number>> = { postgres: 5_432, redis: 6_379 };

/** The URL of a shared server, by way of a port that speaks TLS and nothing else. */
async function overTls(server: string, namespace: string): Promise<string> {
  const url = new URL(await sharedServerUrl(server));
  const proxyPort = await startTlsProxy({
    host: url.hostname,
    port: Number(url.port || defaultPorts[server]),
  });
  url.host = `127.0.0.1:${proxyPort}`;
  url.searchParams.set('namespace', `${namespace}-${process.pid}`);
  return url.href;
}

test('redis by rediss: its certificate is checked, and nobody answers in the open', async () => {
  const open = await overTls('redis', 'tls');
  const url = open.replace(/^redis:/, 'rediss:');
  const desk = openDesk();
  const trusted = { AMBIT_STORAGE: url, NODE_EXTRA_CA_CERTS: certificateFile };
  expect(await desk.ambit(['sessions', 'list'], trusted)).toMatchObject({ code: 0, stderr: '' });
  const stranger = await desk.ambit(['sessions', 'list'], { AMBIT_STORAGE: url });
  expect(stranger).toMatchObject({ code: 69, stdout: '' });
  expect(stranger.stderr).toMatch(oneLine);
  expect(stranger.stderr).toMatch(/certificate/);
  await expect(openAmbit({ storage: open })).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' });
});

test('postgres by sslmode: its certificate is checked', async () => {
  const open = await overTls('postgres', 'tls');
  const checking = `${open}&sslmode=verify-full`;
  const ambit = await openAmbit({
    storage: `${checking}&sslrootcert=${encodeURIComponent(certificateFile)}`,
  });
  expect(await ambit.tasks.list()).toMatchObject({ ok: true });
  await ambit.close();
  await expect(openAmbit({ storage: checking })).rejects.toMatchObject({
    code: 'STORAGE_UNAVAILABLE',
    message: expect.stringMatching(/certificate/) as string,
  });
});
