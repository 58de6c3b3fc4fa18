import { inject } from 'vitest';

/**
 * The URL of a server that all tests of the run share, such as `postgres`; the first to ask waits until it has started.
 * Fails in one line where there is none to be had.
 */
export async function sharedServerUrl(name: string): Promise<string> {
  const response = await fetch(`${inject('serversUrl')}/${name}`);
  const { url, error } = (await response.json()) as { url?: string; error?: string };
  if (url === undefined) throw new Error(error ?? `no server "${name}"`);
  return url;
}
