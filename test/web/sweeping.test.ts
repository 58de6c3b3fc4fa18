import { expect, it } from 'vitest';
import { fakeClock } from 'ambit/testing';
import { memoryStorage } from 'ambit/memory';
import { openAmbit } from 'ambit';

it('an open Ambit sweeps web sessions by itself', async () => {
  const clock = fakeClock();
  const storage = memoryStorage({ clock });
  const ambit = await openAmbit({ storage, durability: 'none', sweepEveryMs: 1_000, web: { idleMs: 1_000 } });
  try {
    const created = await ambit.web.create({ data: { a: 1 } });
    expect(created.ok).toBe(true);
    clock.advance(1_000);
    const everything = { start: '', end: '\u{10ffff}', limit: 10 } as never;
    await expect
      .poll(async () => (await storage.range(everything)).records.length, { timeout: 50_000 })
      .toBe(0);
  } finally {
    await ambit.close();
  }
});
