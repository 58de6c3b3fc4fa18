import { expect, onTestFinished, test } from 'vitest';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { openAmbit } from 'ambit';
import { tmpdir } from 'node:os';

// On the real clock: it goes on while the body of so large an append runs, and what its keys hold of it must not matter.
test.each(['file', 'sqlite'])('as many entries as an append may have begin a session: %s', async (kind) => {
  const folder = mkdtempSync(join(tmpdir(), 'ambit-append-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const { transcripts, close } = await openAmbit({
    storage: `${kind}:${join(folder, 'store')}`,
    mirror: false,
  });
  onTestFinished(close);
  for (const round of [1, 2, 3]) {
    const entries = Array.from({ length: 1_000 }, (_, index) => ({
      type: 'message' as const,
      message: { role: 'user', content: `${round}: ${index} ${'x'.repeat(200)}` },
    }));
    const appended = await transcripts.append(`session-${round}`, entries, { create: { agentId: 'agent' } });
    expect(appended).toMatchObject({ ok: true, session: { counts: { messages: 1_000 } } });
  }
});
