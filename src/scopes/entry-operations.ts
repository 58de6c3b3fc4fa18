import { checkChange, checkChanges, checkKeys, checkScope } from './scope-input-rules.js';
import type { ScopeChange, ScopeChanged, Scopes } from './scope-types.js';
import { readEntries } from './scope-reading.js';
import type { Refused } from '../core/refusals.js';
import type { ScopeContext } from './scope-context.js';
import { writeChanges } from './scope-writing.js';

/** Entries of the persistent layer by their keys. */
export function entryOperations(
  context: ScopeContext,
): Pick<
  Scopes,
  'persist' | 'retrieve' | 'retrieveMany' | 'mutate' | 'purge' | 'change' | 'flush' | 'flushAll'
> {
  return {
    async persist(key, value, options = {}) {
      const done = await changeOne(context, { ...options, kind: 'persist', key, value });
      return done.ok ? { ok: true, version: done.version ?? '', created: done.created } : done;
    },

    async mutate(key, value, options = {}) {
      const done = await changeOne(context, { ...options, kind: 'mutate', key, value });
      if (!done.ok) return done;
      const { version } = done;
      return { ok: true, mutated: done.changed, ...(version !== undefined && { version }) };
    },

    async purge(key, options = {}) {
      const done = await changeOne(context, { ...options, kind: 'purge', key });
      return done.ok ? { ok: true, purged: done.changed } : done;
    },

    async retrieve(key, options = {}) {
      const checked = checkKeys([key], options);
      if (!checked.ok) return checked;
      const answer = await readEntries(context, checked.scope, [key]);
      return answer.ok ? { ok: true, entry: answer.entries[0] } : answer;
    },

    async retrieveMany(keys, options = {}) {
      const checked = checkKeys(keys, options);
      return checked.ok ? readEntries(context, checked.scope, keys) : checked;
    },

    async change(changes) {
      const checked = checkChanges(changes, context.valueBytesMax);
      return checked.ok ? writeChanges(context, checked.changes) : checked;
    },

    async flush(options = {}) {
      const checked = checkScope(options);
      return checked.ok ? context.pending.settled(checked.scope) : checked;
    },

    flushAll: () => context.pending.settled(),
  };
}

async function changeOne(
  context: ScopeContext,
  change: ScopeChange,
): Promise<({ readonly ok: true } & ScopeChanged) | Refused> {
  const checked = checkChange(change, context.valueBytesMax);
  if ('refusal' in checked) return checked;
  const answer = await writeChanges(context, [checked]);
  if (!answer.ok) return answer;
  const [changed] = answer.changes;
  return { ok: true, changed: false, created: false, ...changed };
}
