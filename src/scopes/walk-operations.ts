import { checkExport, checkPurgeWalk, checkWalk } from './scope-input-rules.js';
import { exportScope, exportText } from './scope-exporting.js';
import { holdsText } from './value-rules.js';
import { purgeEntries } from './scope-purging.js';
import { readPage } from './entry-pages.js';
import type { ScopeContext } from './scope-context.js';
import type { Scopes } from './scope-types.js';

/** What walks a scope's entries, a page at a time. */
export function walkOperations(
  context: ScopeContext,
): Pick<Scopes, 'list' | 'query' | 'purgeWhere' | 'export' | 'exportTo'> {
  return {
    async list(options = {}) {
      const walk = checkWalk(options);
      if (!walk.ok) return walk;
      const page = await readPage(context, walk);
      if (!page.ok) return page;
      const { entries, cursor } = page;
      return { ok: true, entries, ...(cursor !== undefined && { cursor }) };
    },

    async query(text, options = {}) {
      if (typeof text !== 'string') throw new TypeError('the text to look for must be a string');
      const walk = checkWalk(options, ['scanMax']);
      if (!walk.ok) return walk;
      const needle = text.toLowerCase();
      return readPage(
        context,
        walk,
        needle === '' ? undefined : (key, value) => holdsText(key, value, needle),
      );
    },

    async purgeWhere(where, options = {}) {
      if (typeof where !== 'function') throw new TypeError('where must be a function');
      const walk = checkPurgeWalk(options);
      return walk.ok ? purgeEntries(context, walk, where) : walk;
    },

    async export(options = {}) {
      const checked = checkExport(options);
      return checked.ok ? exportText(context, checked, checked.format) : checked;
    },

    async exportTo(write, options = {}) {
      if (typeof write !== 'function') throw new TypeError('write must be a function');
      const checked = checkExport(options);
      return checked.ok ? exportScope(context, checked, checked.format, write) : checked;
    },
  };
}
