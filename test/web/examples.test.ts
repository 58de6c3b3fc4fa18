import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { listening } from './visitor.js';
import { startBrowser } from './browser.js';
import { startExpress } from '../../examples/web-express/web-express.js';
import { startFastify } from '../../examples/web-fastify/web-fastify.js';
import { startHono } from '../../examples/web-hono/web-hono.js';
import { tmpdir } from 'node:os';

let browser: Browser;
const closing: (() => Promise<void>)[] = [];

beforeAll(async () => {
  browser = await startBrowser();
}, 120_000);

afterAll(async () => {
  await browser?.close();
});

afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close();
});

const apps = [
  { name: 'Express', start: startExpress, cookie: 'session' },
  { name: 'Fastify', start: startFastify, cookie: '__Host-session' },
  { name: 'Hono', start: startHono, cookie: '__Host-session' },
];

async function someone(): Promise<BrowserContext> {
  const context = await browser.newContext();
  context.setDefaultTimeout(60_000);
  closing.push(() => context.close());
  return context;
}

const statusOf = (page: Page): Promise<string[]> => page.getByRole('status').allTextContents();
const greetingOf = (page: Page): Promise<string> => page.getByRole('heading').innerText();
const notesOf = (page: Page): Promise<string[]> => page.getByRole('listitem').allTextContents();

async function logIn(page: Page, name: string, password: string): Promise<void> {
  await page.getByPlaceholder('name').fill(name);
  await page.locator('input[type=password]').fill(password);
  await press(page, 'Log in');
}

async function press(page: Page, button: string): Promise<void> {
  // The answer redirects to the page again: its own load is what is waited for.
  await Promise.all([
    page.waitForEvent('load'),
    page.getByRole('button', { name: button, exact: true }).click(),
  ]);
}

async function note(page: Page, text: string): Promise<void> {
  await page.getByPlaceholder('a note').fill(text);
  await press(page, 'Note it');
}

describe.each(apps)('the example with $name, in a browser', ({ start, cookie }) => {
  async function open(): Promise<string> {
    const folder = mkdtempSync(join(tmpdir(), 'ambit-web-'));
    const { url, close } = await start(`sqlite:${join(folder, 'web.db')}`, 0);
    closing.push(async () => {
      await close();
      rmSync(folder, { recursive: true, force: true });
    });
    return url;
  }

  it('login, a message after a redirect, several tabs, logout, logout everywhere', async () => {
    const url = await open();
    const [laptop, phone] = [await someone(), await someone()];
    const tab = await laptop.newPage();
    await tab.goto(url);
    expect(await greetingOf(tab)).toBe('Hello');
    await logIn(tab, 'ada', 'wrong');
    expect(await statusOf(tab)).toEqual(['Wrong name or password.']);
    await tab.reload();
    expect(await statusOf(tab)).toEqual([]);

    const before = (await laptop.cookies()).find(({ name }) => name === cookie);
    expect(before).toMatchObject({ httpOnly: true, sameSite: 'Lax', path: '/' });
    expect(await tab.evaluate('document.cookie')).toBe('');
    await logIn(tab, 'ada', 'engine');
    expect(await statusOf(tab)).toEqual(['Welcome, Ada Lovelace.']);
    expect(await greetingOf(tab)).toBe('Hello, Ada Lovelace');
    const after = (await laptop.cookies()).find(({ name }) => name === cookie);
    expect(after?.value).not.toBe(before?.value);

    // Both tabs hold a token of their own, and both go on working.
    const tab2 = await laptop.newPage();
    await tab2.goto(url);
    await note(tab, 'from the first tab');
    await note(tab2, 'from the second <b>tab</b>');
    await note(tab, 'again from the first');
    expect((await notesOf(tab)).toSorted()).toEqual([
      'again from the first',
      'from the first tab',
      'from the second <b>tab</b>',
    ]);

    const other = await phone.newPage();
    await other.goto(url);
    await logIn(other, 'ada', 'engine');
    expect(await greetingOf(other)).toBe('Hello, Ada Lovelace');
    await press(tab, 'Log out everywhere');
    expect(await statusOf(tab)).toEqual(['You are logged out everywhere.']);
    expect(await greetingOf(tab)).toBe('Hello');
    await other.reload();
    expect(await greetingOf(other)).toBe('Hello');

    await logIn(other, 'grace', 'compiler');
    await press(other, 'Log out');
    expect(await statusOf(other)).toEqual(['You are logged out.']);
    expect(await greetingOf(other)).toBe('Hello');
    await tab2.reload();
    expect(await greetingOf(tab2)).toBe('Hello');
  });

  it('a form of another site changes nothing', async () => {
    const url = await open();
    const evil = await listening((_request, response) => {
      response.setHeader('content-type', 'text/html');
      response.end(
        `<form method="post" action="${url}/notes"><input name="note" value="evil"><button>Win</button></form>`,
      );
    });
    closing.push(evil.close);
    const laptop = await someone();
    const tab = await laptop.newPage();
    await tab.goto(url);
    await logIn(tab, 'ada', 'engine');
    const trap = await laptop.newPage();
    // Another port of the same host is the same site: the cookie is sent, whatever SameSite says.
    await trap.goto(evil.url.replace('127.0.0.1', 'localhost'));
    const answered = trap.waitForResponse(`${url}/notes`);
    await trap.getByRole('button').click();
    const answer = await answered;
    expect(answer.status()).toBe(403);
    expect((await answer.request().allHeaders())['cookie']).toContain(cookie);
    await tab.reload();
    expect(await notesOf(tab)).toEqual([]);
    expect(await greetingOf(tab)).toBe('Hello, Ada Lovelace');
  });
});
