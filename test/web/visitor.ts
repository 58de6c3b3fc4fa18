import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Somebody with a browser's memory for cookies, and no browser. */
export interface Visitor {
  readonly cookies: Map<string, string>;
  /** The attributes of each cookie as it was last set: `HttpOnly; Path=/; …`. */
  readonly attributes: Map<string, string>;
  get(path: string, headers?: Record<string, string>): Promise<Visit>;
  post(path: string, body?: Record<string, string>, headers?: Record<string, string>): Promise<Visit>;
}

/** An answer, read to its end. */
export interface Visit {
  readonly status: number;
  readonly text: string;
  /** Whether a cookie was set or cleared. */
  readonly setCookies: readonly string[];
  readonly headers: Headers;
}

export function visitor(url: string): Visitor {
  const cookies = new Map<string, string>();
  const attributes = new Map<string, string>();
  const visit = async (path: string, init: RequestInit, given: Record<string, string>): Promise<Visit> => {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(url + path, {
      ...init,
      redirect: 'manual',
      headers: { ...(cookie !== '' && { cookie }), ...given },
    });
    const setCookies = answer.headers.getSetCookie();
    for (const line of setCookies) {
      const [, name = '', value = '', rest = ''] = /^([^=]*)=([^;]*);? ?(.*)$/.exec(line) ?? [];
      if (value === '' || /Max-Age=0/i.test(rest)) cookies.delete(name);
      else cookies.set(name, value);
      attributes.set(name, rest);
    }
    return { status: answer.status, text: await answer.text(), setCookies, headers: answer.headers };
  };
  return {
    cookies,
    attributes,
    get: (path, headers = {}) => visit(path, {}, headers),
    post: (path, body = {}, headers = {}) =>
      visit(path, { method: 'POST', body: new URLSearchParams(body) }, headers),
  };
}

/** Serves on a free port of loopback. */
export async function listening(
  listener: RequestListener,
): Promise<{ readonly url: string; readonly close: () => Promise<void> }> {
  const server: Server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
