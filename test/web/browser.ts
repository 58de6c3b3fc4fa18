import { type Browser, chromium } from 'playwright-core';
import { existsSync } from 'node:fs';
import { findProgram } from '../servers/guarded-servers.js';

/** Starts a Chromium without a window. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: findBrowser(),
    // Its sandbox does not start as root, nor in most containers.
    args: ['--no-sandbox', '--disable-dev-shm-usage'],
    timeout: 60_000,
  });
}

function findBrowser(): string {
  const named = process.env['CHROMIUM_PATH'];
  if (named) return named;
  const onPath = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
  const mac = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';
  const found = onPath.map((name) => findProgram(name)).find((path) => path !== undefined);
  if (found !== undefined) return found;
  if (existsSync(mac)) return mac;
  throw new Error(
    'Chromium is needed by these tests: install it (apt-get install chromium), or name one in CHROMIUM_PATH',
  );
}
