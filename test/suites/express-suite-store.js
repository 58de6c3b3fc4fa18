/**
 * Loaded by mocha before express-session's own tests: puts our store in the place of the MemoryStore that they make.
 *
 *   AMBIT_SUITE_CHECKOUT   where the sources of express-session lie
 *   AMBIT_SUITE_STORAGE    the store to test, as a URL
 */
import { createRequire } from 'node:module';
import { expressStore } from 'ambit/express';
import { join } from 'node:path';
import { openAmbit } from 'ambit';
import { randomBytes } from 'node:crypto';

const checkout = process.env['AMBIT_SUITE_CHECKOUT'] ?? '';
// What survives a loss of power is not what these tests are about.
const ambit = await openAmbit({
  storage: process.env['AMBIT_SUITE_STORAGE'] ?? 'memory:',
  durability: 'none',
});
const run = randomBytes(6).toString('hex');
let stores = 0;

/** Without arguments, and each apart from all others, as the tests expect of a MemoryStore. */
function AmbitStore() {
  return expressStore(ambit.web.named(`suite-${run}-${stores++}`));
}

const require = createRequire(import.meta.url);
const replaced = join(checkout, 'session', 'memory.js');
require(replaced);
const loaded = require.cache[replaced];
if (!loaded) throw new Error(`${checkout}: no session/memory.js to put a store in the place of`);
loaded.exports = AmbitStore;

export const mochaHooks = {
  async afterAll() {
    if (stores === 0) throw new Error('no test made a store: these were not the tests of our store');
    await ambit.close();
  },
};
