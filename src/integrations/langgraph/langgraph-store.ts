import {
  BaseStore,
  type GetOperation,
  InvalidNamespaceError,
  type Item,
  type ListNamespacesOperation,
  type Operation,
  type OperationResults,
  type PutOperation,
  type SearchItem,
  type SearchOperation,
} from '@langchain/langgraph-checkpoint';
import {
  commonPrefix,
  isMatch,
  type ItemValue,
  namespaceOf,
  namespaceProblem,
  scopeOf,
} from './namespace-rules.js';
import { filterProblem, isFiltered } from './filter-rules.js';
import type { Refusal, Refused } from '../../core/refusals.js';
import type { ScopeChange, ScopeEntry, Scopes } from '../../scopes/scope-types.js';
import type { Json } from '../../core/json.js';
import { ttlMsMax } from '../../scopes/scope-limits.js';

/** How {@link langGraphStore} keeps things. */
export interface LangGraphStoreOptions {
  /**
   * What the names of its scopes begin with; `langgraph:` unless said. Stores with different ones see nothing of each other.
   * At most 64 characters.
   */
  readonly root?: string;
  /** How long an item lives after it was put, 1 ms to 10 years; for ever unless said. */
  readonly ttlMs?: number;
}

/** What a store rejects with where Ambit refused: LangGraph knows no refusals as values. */
export interface LangGraphStoreError extends Error {
  readonly refusal: Refusal;
}

/** Longer, and little of a scope's name would be left for the namespace. */
const rootCharsMax = 64;
/** What one transaction takes of puts; longer runs of them are several. */
const putsMax = 500;
const putBytesMax = 2_000_000;
/** Entries and scopes read at once: their bound. */
const pageMax = 1_000;

/**
 * LangGraph's long-term memory on scopes: each namespace is a scope, each item an entry of it, on any backend.
 *
 * A `batch` is done in order, and what follows a put sees it; puts that follow each other are one transaction, up to 500 of
 * them. `search` walks the namespaces below its prefix in order, compares the filter with each item, and with a `query` finds
 * those that hold its text, in any case: there are no vectors, and `index` is not used.
 *
 * @throws TypeError where `scopes` is not the `scopes` of an open Ambit, and RangeError for an option out of its bounds
 * @example
 * ```ts
 * import { openAmbit } from 'ambit';
 * import { langGraphStore } from 'ambit/langgraph';
 *
 * const ambit = await openAmbit({ storage: 'sqlite:./memory.db' });
 * const store = langGraphStore(ambit.scopes);
 * await store.put(['users', 'anna'], 'likes', { drink: 'tea', cups: 3 });
 * const found = await store.search(['users'], { filter: { cups: { $gte: 2 } } });
 * console.log(found.map((item) => item.key));
 * ```
 */
export function langGraphStore(scopes: Scopes, options: LangGraphStoreOptions = {}): BaseStore {
  const { root = 'langgraph:', ttlMs } = options;
  const unknown = Object.keys(options).find((name) => name !== 'root' && name !== 'ttlMs');
  if (unknown !== undefined)
    throw new RangeError(`langGraphStore: ${unknown} is no option of it; give root or ttlMs`);
  if (typeof scopes?.change !== 'function')
    throw new TypeError('langGraphStore needs the scopes of an open Ambit: langGraphStore(ambit.scopes)');
  if (typeof root !== 'string') throw new TypeError('langGraphStore: root must be a string');
  if (root === '' || root.length > rootCharsMax || !root.isWellFormed())
    throw new RangeError(`langGraphStore: root must be a text of 1 to ${rootCharsMax} characters`);
  if (ttlMs !== undefined && !(Number.isSafeInteger(ttlMs) && ttlMs >= 1 && ttlMs <= ttlMsMax))
    throw new RangeError(
      `langGraphStore: ttlMs is ${ttlMs}; it must be a whole number from 1 to ${ttlMsMax}`,
    );
  return new LangGraphStore(scopes, root, ttlMs);
}

class LangGraphStore extends BaseStore {
  readonly #scopes: Scopes;
  readonly #root: string;
  readonly #ttlMs: number | undefined;

  constructor(scopes: Scopes, root: string, ttlMs: number | undefined) {
    super();
    this.#scopes = scopes;
    this.#root = root;
    this.#ttlMs = ttlMs;
  }

  override async batch<Op extends Operation[]>(operations: Op): Promise<OperationResults<Op>> {
    // Before anything is written.
    for (const operation of operations) checkOperation(operation);
    const results: unknown[] = [];
    for (let start = 0; start < operations.length;) {
      const run = runOf(operations, start);
      const [first] = run;
      if (isPut(first)) results.push(...(await this.#putAll(run as PutOperation[])));
      else if (isGet(first)) results.push(...(await this.#getAll(run as GetOperation[])));
      else if (isSearch(first)) results.push(await this.#search(first));
      else if (first) results.push(await this.#listNamespaces(first));
      start += run.length;
    }
    return results as OperationResults<Op>;
  }

  async #putAll(puts: readonly PutOperation[]): Promise<undefined[]> {
    let changes: ScopeChange[] = [];
    let bytes = 0;
    const write = async (): Promise<void> => {
      if (changes.length > 0) grant(await this.#scopes.change(changes));
      changes = [];
      bytes = 0;
    };
    for (const { namespace, key, value } of puts) {
      const scope = scopeOf(this.#root, namespace);
      if (value === null) changes.push({ kind: 'purge', scope, key });
      else {
        // As every store that writes JSON does: dates become texts, what is undefined is left out.
        const text = JSON.stringify(value);
        const copy = JSON.parse(text) as Json;
        // At most three bytes for a UTF-16 unit.
        if (bytes > 0 && bytes + text.length * 3 > putBytesMax) await write();
        bytes += text.length * 3;
        changes.push({
          kind: 'persist',
          scope,
          key,
          value: copy,
          ...(this.#ttlMs !== undefined && { ttlMs: this.#ttlMs }),
        });
      }
      if (changes.length === putsMax) await write();
    }
    await write();
    return puts.map(() => undefined);
  }

  /** Gets that follow each other, a question for each namespace. */
  async #getAll(gets: readonly GetOperation[]): Promise<(Item | null)[]> {
    const items: (Item | null)[] = gets.map(() => null);
    const byScope = new Map<string, number[]>();
    for (const [index, { namespace }] of gets.entries()) {
      const scope = scopeOf(this.#root, namespace);
      byScope.set(scope, [...(byScope.get(scope) ?? []), index]);
    }
    const asked = [...byScope].map(async ([scope, indexes]) => {
      for (let start = 0; start < indexes.length; start += pageMax) {
        const some = indexes.slice(start, start + pageMax);
        const keys = some.map((index) => gets[index]?.key ?? '');
        const { entries } = grant(await this.#scopes.retrieveMany(keys, { scope }));
        for (const [place, index] of some.entries()) {
          const entry = entries[place];
          const get = gets[index];
          if (entry && get) items[index] = itemOf([...get.namespace], entry);
        }
      }
    });
    await Promise.all(asked);
    return items;
  }

  async #search(search: SearchOperation): Promise<SearchItem[]> {
    const { namespacePrefix, filter, limit = 10, offset = 0, query } = search;
    const items: SearchItem[] = [];
    let skipped = 0;
    if (limit <= 0) return items;
    for await (const { namespace, entry } of this.#entriesBelow(namespacePrefix, query ?? '')) {
      if (filter && !isFiltered(entry.value as ItemValue, filter)) continue;
      if (skipped++ < offset) continue;
      items.push(itemOf(namespace, entry));
      if (items.length === limit) break;
    }
    return items;
  }

  async #listNamespaces(list: ListNamespacesOperation): Promise<string[][]> {
    const { matchConditions = [], maxDepth, limit, offset } = list;
    const found: string[][] = [];
    let last: string | undefined;
    let skipped = 0;
    if (limit <= 0) return found;
    for await (const full of this.#namespacesBelow(commonPrefix(matchConditions))) {
      if (!matchConditions.every((condition) => isMatch(full, condition))) continue;
      const namespace = full.slice(0, maxDepth);
      const name = scopeOf('', namespace);
      // In order, so those that are cut to the same follow each other.
      if (name === last) continue;
      last = name;
      if (skipped++ < offset) continue;
      found.push(namespace);
      if (found.length === limit) break;
    }
    return found;
  }

  async *#namespacesBelow(prefix: readonly string[]): AsyncGenerator<string[]> {
    for (let cursor: string | undefined; ;) {
      const page: { scopes: readonly string[]; cursor?: string } = grant(
        await this.#scopes.listScopes({
          prefix: scopeOf(this.#root, prefix),
          limit: pageMax,
          ...(cursor !== undefined && { cursor }),
        }),
      );
      for (const scope of page.scopes) {
        // Somebody's own scope may begin with the root by chance.
        if (scope.length > this.#root.length && scope.endsWith('/')) yield namespaceOf(this.#root, scope);
      }
      ({ cursor } = page);
      if (cursor === undefined) return;
    }
  }

  async *#entriesBelow(
    prefix: readonly string[],
    text: string,
  ): AsyncGenerator<{ namespace: string[]; entry: ScopeEntry }> {
    for await (const namespace of this.#namespacesBelow(prefix)) {
      const scope = scopeOf(this.#root, namespace);
      for (let cursor: string | undefined; ;) {
        const page: { entries: readonly ScopeEntry[]; cursor?: string } = grant(
          await this.#scopes.query(text, {
            scope,
            layer: 'persistent',
            ...(cursor !== undefined && { cursor }),
          }),
        );
        for (const entry of page.entries) yield { namespace, entry };
        ({ cursor } = page);
        if (cursor === undefined) break;
      }
    }
  }
}

/** Puts, or gets, that follow each other; anything else by itself. */
function runOf(operations: readonly Operation[], start: number): readonly Operation[] {
  const first = operations[start];
  const alike = isPut(first) ? isPut : isGet(first) ? isGet : undefined;
  let end = start + 1;
  while (alike && end < operations.length && alike(operations[end])) end++;
  return operations.slice(start, end);
}

function isPut(operation: Operation | undefined): operation is PutOperation {
  return operation !== undefined && 'key' in operation && 'value' in operation;
}

function isGet(operation: Operation | undefined): operation is GetOperation {
  return operation !== undefined && 'key' in operation && !('value' in operation);
}

function isSearch(operation: Operation | undefined): operation is SearchOperation {
  return operation !== undefined && 'namespacePrefix' in operation;
}

function checkOperation(operation: Operation): void {
  if (isPut(operation)) {
    const problem = namespaceProblem(operation.namespace);
    if (problem !== undefined) throw new InvalidNamespaceError(problem);
    const { value } = operation;
    if (value !== null && (typeof value !== 'object' || Array.isArray(value)))
      throw new TypeError('the value of an item must be an object, or null to delete it');
  } else if (isSearch(operation) && operation.filter) {
    const problem = filterProblem(operation.filter);
    if (problem !== undefined) throw new RangeError(problem);
  }
}

function itemOf(namespace: string[], { key, value, createdAtMs, updatedAtMs }: ScopeEntry): Item {
  return {
    namespace,
    key,
    value: value as Record<string, unknown>,
    createdAt: new Date(createdAtMs),
    updatedAt: new Date(updatedAtMs),
  };
}

/** What was granted; a refusal is thrown. */
function grant<T extends { readonly ok: true }>(answer: T | Refused): T {
  if (answer.ok) return answer;
  const { refusal } = answer;
  const error: LangGraphStoreError = Object.assign(new Error(`store: ${refusal.message}`), { refusal });
  throw error;
}
