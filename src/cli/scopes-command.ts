import { addStoreFlags, granted, type StoreFlags, withStore } from './with-store.js';
import { Command, InvalidArgumentError } from 'commander';
import { entryTable, shownValue, summaryTable } from './scopes-render.js';
import { parseDurationFlag, parseWhole, storageFlag } from './command-options.js';
import { CliError, exitCodes } from './exit-codes.js';
import type { EntryOptions, ExpectOptions, ScopeEntry, ScopeLayer } from '../scopes/scope-types.js';
import type { Json } from '../core/json.js';
import { printJson } from './render.js';
import { quoted } from '../core/text-rules.js';
import { text as readAll } from 'node:stream/consumers';

type Flags = StoreFlags & { readonly scope?: string };

/** What a program keeps in its own memory is not here to be seen. */
const layer: ScopeLayer = 'persistent';

/** `ambit scopes`: what a person does with scoped memory from a terminal, also while flows are running. */
export function scopesCommand(): Command {
  return new Command('scopes')
    .description('look at scoped memory, write an entry, write a scope out')
    .addCommand(listCommand())
    .addCommand(getCommand())
    .addCommand(setCommand())
    .addCommand(queryCommand())
    .addCommand(exportCommand());
}

interface PageFlags extends Flags {
  readonly prefix?: string;
  readonly limit?: number;
  readonly cursor?: string;
}

function listCommand(): Command {
  const command = paged(new Command('list').description('list scopes, or the entries of one'));
  return addStoreFlags(command.option('--scope <name>', 'list the entries of this scope')).action(
    (flags: PageFlags) =>
      withStore(flags, async ({ scopes }) => {
        if (flags.scope !== undefined) {
          const page = granted(await scopes.list({ ...pageOf(flags), layer }));
          return printEntries(flags, page.entries, page.cursor);
        }
        const page = granted(await scopes.summary(pageOf(flags)));
        const shown = page.scopes.map(({ scope, persistent }) => ({ scope, entries: persistent }));
        if (flags.json) return printJson({ scopes: shown, cursor: page.cursor ?? null });
        process.stdout.write(summaryTable(shown));
        printMore(page.cursor);
      }),
  );
}

function getCommand(): Command {
  const command = new Command('get').description('print the value of an entry').argument('<key>');
  return scoped(command).action((key: string, flags: Flags) =>
    withStore(flags, async ({ scopes }) => {
      const { entry } = granted(await scopes.retrieve(key, scopeOf(flags)));
      if (!entry)
        throw new CliError(
          `there is no entry ${quoted(key)} in ${quoted(flags.scope ?? 'global')}`,
          exitCodes.refused,
        );
      if (flags.json) printJson(entry);
      else process.stdout.write(`${shownValue(entry.value)}\n`);
    }),
  );
}

interface SetFlags extends Flags {
  readonly asJson?: true;
  readonly for?: number;
  readonly step?: string;
  readonly ifVersion?: string;
  readonly ifAbsent?: true;
}

function setCommand(): Command {
  const command = new Command('set')
    .description('create or replace an entry')
    .argument('<key>')
    .argument('<value>', 'a text; - reads it from stdin')
    .option('--as-json', 'the value is JSON')
    .option('--for <duration>', 'how long it lives, such as 30m (default: for ever)', parseDurationFlag)
    .option('--step <name>', 'the step that writes it')
    .option('--if-version <version>', 'only if the entry still has this version')
    .option('--if-absent', 'only if there is no entry');
  return scoped(command).action(async (key: string, given: string, flags: SetFlags) => {
    if (flags.ifAbsent && flags.ifVersion !== undefined)
      throw new CliError('--if-version and --if-absent exclude each other', exitCodes.usage);
    const text = given === '-' ? await readAll(process.stdin) : given;
    const value = flags.asJson ? parseValue(text) : text;
    const options: EntryOptions & ExpectOptions = {
      ...scopeOf(flags),
      ...(flags.for !== undefined && { ttlMs: flags.for }),
      ...(flags.step !== undefined && { sourceStep: flags.step }),
      ...(flags.ifVersion !== undefined && { expectedVersion: flags.ifVersion }),
      ...(flags.ifAbsent && { expectedVersion: null }),
    };
    await withStore(flags, async ({ scopes }) => {
      const { version, created } = granted(await scopes.persist(key, value, options));
      if (flags.json) printJson({ key, version, created });
      else process.stdout.write(`${created ? 'created' : 'replaced'} ${quoted(key)}, version ${version}\n`);
    });
  });
}

function queryCommand(): Command {
  const command = paged(
    new Command('query')
      .description('find entries that hold a text in key or value, in any case')
      .argument('<text>'),
  );
  return scoped(command).action((text: string, flags: PageFlags) =>
    withStore(flags, async ({ scopes }) => {
      const page = granted(await scopes.query(text, { ...pageOf(flags), layer }));
      printEntries(flags, page.entries, page.cursor, page.scanned);
    }),
  );
}

function exportCommand(): Command {
  const format = (text: string): string => {
    if (text !== 'json' && text !== 'csv') throw new InvalidArgumentError('it must be json or csv');
    return text;
  };
  const command = new Command('export')
    .description('write a scope to stdout')
    .option('--format <format>', 'json (default), which can be imported, or csv', format)
    .option('--prefix <text>', 'only keys that begin so')
    .option('--scope <name>', 'which scope (default: global)');
  type ExportFlags = Omit<Flags, 'json'> & { format?: 'json' | 'csv'; prefix?: string };
  return command.addOption(storageFlag()).action((flags: ExportFlags) =>
    withStore(flags, async ({ scopes }) => {
      const options = {
        ...scopeOf(flags),
        layer,
        ...(flags.format && { format: flags.format }),
        ...(flags.prefix !== undefined && { prefix: flags.prefix }),
      };
      granted(await scopes.exportTo(writeOut, options));
    }),
  );
}

/** Waits until whoever reads stdout has room for more; who has stopped reading has what it wanted. */
function writeOut(piece: string): Promise<void> {
  return new Promise((resolve) => {
    process.stdout.write(piece, () => resolve());
  });
}

function paged(command: Command): Command {
  return command
    .option('--prefix <text>', 'only names that begin so')
    .option('--limit <n>', 'at most so many (default: 100)', parseWhole)
    .option('--cursor <cursor>', 'go on where the last page ended');
}

function scoped(command: Command): Command {
  return addStoreFlags(command.option('--scope <name>', 'which scope (default: global)'));
}

function scopeOf({ scope }: Pick<Flags, 'scope'>): { scope?: string } {
  return scope === undefined ? {} : { scope };
}

function pageOf(flags: PageFlags): Omit<PageFlags, keyof StoreFlags> {
  const { prefix, limit, cursor } = flags;
  return {
    ...scopeOf(flags),
    ...(prefix !== undefined && { prefix }),
    ...(limit !== undefined && { limit }),
    ...(cursor !== undefined && { cursor }),
  };
}

function parseValue(text: string): Json {
  try {
    return JSON.parse(text) as Json;
  } catch {
    throw new CliError('the value is no JSON; without --as-json it is taken as a text', exitCodes.usage);
  }
}

function printEntries(
  { json }: Flags,
  entries: readonly ScopeEntry[],
  cursor: string | undefined,
  scanned?: number,
): void {
  if (json) {
    printJson({ entries, ...(scanned !== undefined && { scanned }), cursor: cursor ?? null });
    return;
  }
  process.stdout.write(entryTable(entries));
  if (scanned !== undefined) process.stdout.write(`looked at ${scanned} entries\n`);
  printMore(cursor);
}

function printMore(cursor: string | undefined): void {
  if (cursor !== undefined) process.stdout.write(`more: --cursor ${cursor}\n`);
}
