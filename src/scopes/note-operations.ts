import { checkChange, checkKeys } from './scope-input-rules.js';
import type { ScopeContext } from './scope-context.js';
import type { Scopes } from './scope-types.js';

/** The ephemeral layer: answered at once, since nothing leaves the process. */
export function noteOperations({
  notes,
  valueBytesMax,
}: ScopeContext): Pick<Scopes, 'remember' | 'recall' | 'forget'> {
  return {
    remember(key, value, options = {}) {
      const note = checkChange({ ...options, kind: 'persist', key, value }, valueBytesMax, 'ephemeral');
      return 'refusal' in note ? note : notes.put(note);
    },

    recall(key, options = {}) {
      const checked = checkKeys([key], options);
      return checked.ok ? { ok: true, entry: notes.get(checked.scope, key) } : checked;
    },

    forget(key, options = {}) {
      const checked = checkKeys([key], options);
      return checked.ok ? { ok: true, forgotten: notes.delete(checked.scope, key) } : checked;
    },
  };
}
