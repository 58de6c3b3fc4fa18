/** A piece of a source file, and the wrong one that takes its place. */
export interface Patch {
  readonly file: string;
  readonly right: string;
  readonly wrong: string;
}

/** A bug put in on purpose, and the test that must turn red for it. */
export interface Mutant {
  readonly bug: string;
  readonly patches: readonly Patch[];
  readonly test: string;
  /** Names the tests to run, as vitest's `-t` takes it. Without the bug they are green. */
  readonly caughtBy: string;
  /** Whether the test starts the built package, so that it has to be built. */
  readonly built?: true;
}

const engineTest = 'test/engine/engine.test.ts';
const commitsTest = 'test/engine/commits.test.ts';
const lostReplyTest = 'test/engine/lost-reply.test.ts';
const behavioursTest = 'test/tasks/behaviours.test.ts';

const countFirst: Patch = {
  file: 'src/tasks/use-rules.ts',
  right: '  const refusal = budgetRefusal(use, tools) ?? termsRefusal(known, tools, request);',
  wrong:
    '  view.put(keys.use, { ...use, callsMade: use.callsMade + tools.length });\n' +
    '  const refusal = budgetRefusal(use, tools) ?? termsRefusal(known, tools, request);',
};

const versionCheckOfSqlite: Patch = {
  file: 'src/storage/sqlite/sqlite-group.ts',
  right: 'if ((head === undefined ? null : head[1]) !== expected) return conflict(records, writes);',
  wrong: 'void expected;',
};

export const mutants: readonly Mutant[] = [
  {
    bug: 'acknowledge before the commit',
    patches: [
      {
        file: 'src/engine/rounds.ts',
        right: '  const send = (): Promise<CommitAnswer> =>',
        wrong:
          '  for (const unit of group.units) for (const ran of unit.ran) ran.call.resolve(ran.answer);\n' +
          '  const send = (): Promise<CommitAnswer> =>',
      },
    ],
    test: commitsTest,
    caughtBy: 'answers nothing before the commit has answered',
  },
  {
    bug: 'acknowledge before the commit, inside the lock',
    patches: [
      {
        file: 'src/engine/rounds.ts',
        right: '      return transactions;\n    });',
        wrong:
          '      for (const unit of group?.units ?? []) for (const ran of unit.ran) ran.call.resolve(ran.answer);\n' +
          '      return [];\n    });\n' +
          '    await new Promise((resolve) => setImmediate(resolve));\n' +
          '    if (!answer.busy) return storage.commit(transactions);',
      },
    ],
    test: 'test/proof/crash.test.ts',
    caughtBy: 'at writes and flushes',
    built: true,
  },
  {
    bug: 'skip the version check (memory)',
    patches: [
      {
        file: 'src/storage/memory/memory-commit.ts',
        right:
          'if ((slot === undefined ? absent : slot.version) !== write.expected) return conflict(writes);',
        wrong: 'void absent;',
      },
    ],
    test: commitsTest,
    caughtBy: 'loses no update to another writer',
  },
  {
    bug: 'skip the version check (SQLite)',
    patches: [versionCheckOfSqlite],
    test: 'test/storage/sqlite-storage.test.ts',
    caughtBy: 'sqlite fast.*hands over the current records of all its writes',
  },
  {
    bug: 'decide by the cache inside the lock, and skip the version check',
    patches: [
      versionCheckOfSqlite,
      {
        file: 'src/engine/rounds.ts',
        right: 'const lookup: Lookup = (key) => locked.get(key);',
        wrong: 'const lookup: Lookup = (key) => stale.get(key) ?? locked.get(key);',
      },
      {
        file: 'src/engine/rounds.ts',
        right: '    const locked = new Map<Key, { record: StoredRecord | undefined }>();\n',
        wrong:
          '    const locked = new Map<Key, { record: StoredRecord | undefined }>();\n' +
          '    const stale = new Map(keys.flatMap((key) => {\n' +
          '      const entry = cache.get(key);\n' +
          '      return entry ? [[key, { record: entry.record }] as const] : [];\n' +
          '    }));\n',
      },
    ],
    test: 'test/proof/hammer.test.ts',
    caughtBy: "sqlite free' 8 of them call",
    built: true,
  },
  {
    bug: 'count before the check',
    patches: [countFirst],
    test: behavioursTest,
    caughtBy: 'batches are all or nothing, and name the first tool that fails',
  },
  {
    bug: 'count before the check, and let a refusal write',
    patches: [
      countFirst,
      {
        file: 'src/engine/group.ts',
        right: 'if (isRefused(answer) && view.wrote) throw',
        wrong: 'if (false) throw',
      },
      {
        file: 'src/engine/immediate-path.ts',
        right: 'if (isRefused(answer)) throw',
        wrong: 'if (false) throw',
      },
    ],
    test: behavioursTest,
    caughtBy: 'batches are all or nothing, and name the first tool that fails',
  },
  {
    bug: 'answer a refusal from a stale cache',
    patches: [
      { file: 'src/engine/group.ts', right: '} else if (context.shared) {', wrong: '} else if (false) {' },
    ],
    test: commitsTest,
    caughtBy: 'never answers a refusal from a stale cache',
  },
  {
    bug: 'reuse a version',
    patches: [{ file: 'src/engine/create-engine.ts', right: 'digits[low++]', wrong: 'digits[low]' }],
    test: commitsTest,
    caughtBy: 'mints a new version for every write and every run',
  },
  {
    bug: 'split a component',
    patches: [
      {
        file: 'src/engine/group.ts',
        right: 'root = root ? merge(root, other) : other;',
        wrong: 'root ??= other;',
      },
    ],
    test: 'test/proof/components.test.ts',
    caughtBy: 'shares the fate of all that one call touched',
  },
  {
    bug: 'forget notAfterMs',
    patches: [
      {
        file: 'src/engine/group.ts',
        right: 'component.notAfterMs = Math.min(component.notAfterMs, view.notAfterMs);',
        wrong: '',
      },
    ],
    test: engineTest,
    caughtBy: 'runs again when the store says late',
  },
  {
    bug: 'forget the least notAfterMs of a component',
    patches: [
      {
        file: 'src/engine/group.ts',
        right: 'component.notAfterMs = Math.min(component.notAfterMs, view.notAfterMs);',
        wrong: 'component.notAfterMs = view.notAfterMs;',
      },
    ],
    test: engineTest,
    caughtBy: 'takes the least bound of a component',
  },
  {
    bug: 'take the clock of the process for that of the store',
    patches: [
      {
        file: 'src/engine/create-engine.ts',
        right: 'storage.clock ? localClock(storage.clock) : estimatedClock(monotonicMs)',
        wrong: 'localClock(storage.clock ?? Date.now)',
      },
    ],
    test: 'test/clocks/clocks-apart.test.ts',
    caughtBy: "'redis' only the clock of the store counts",
    built: true,
  },
  {
    bug: 'treat a lost reply as a failure',
    patches: [
      {
        file: 'src/engine/delivery.ts',
        right: "uncertain ||= failure.outcome === 'unknown';",
        wrong: '',
      },
    ],
    test: lostReplyTest,
    caughtBy: 'that had been applied is charged once and answered as applied',
  },
  {
    bug: 'send a lost group again with fresh versions',
    patches: [
      {
        file: 'src/engine/delivery.ts',
        right: 'resend(transactions())',
        wrong:
          'resend(transactions().map((one) => {\n' +
          '        for (const write of one.writes)\n' +
          "          if (write.kind === 'put') Object.assign(write, { version: `${write.version}.again` });\n" +
          '        return one;\n      }))',
      },
    ],
    test: lostReplyTest,
    caughtBy: 'that had been applied is charged once and answered as applied',
  },
  {
    bug: 'run a lost call again when somebody wrote on top',
    patches: [
      {
        file: 'src/engine/delivery.ts',
        right: 'if (uncertain && transaction.writes.some(changes)) {',
        wrong: 'if (false) {',
      },
    ],
    test: lostReplyTest,
    caughtBy: 'that was applied and then overwritten is unknown, and never runs again',
  },
  {
    bug: 'forget what was deleted',
    patches: [
      {
        file: 'src/engine/rounds.ts',
        right: "remote: capabilities.sharing === 'network',",
        wrong: 'remote: false,',
      },
    ],
    test: lostReplyTest,
    caughtBy: 'a creation that arrives late does not bring back what was deleted',
  },
  {
    bug: 'forget the callId',
    patches: [
      {
        file: 'src/tasks/use-rules.ts',
        right: 'if (request.callId !== undefined) {\n    const { remaining',
        wrong: 'if (false) {\n    const { remaining',
      },
    ],
    test: behavioursTest,
    caughtBy: 'is charged once when it is sent many times at once',
  },
  {
    bug: 'say of a failed commit that nothing was written',
    patches: [
      {
        file: 'src/storage/sqlite/sqlite-errors.ts',
        right: "sqliteCodeOf(error) === 'SQLITE_FULL' ? 'none' : 'unknown'",
        wrong: "sqliteCodeOf(error) === 'SQLITE_FULL' ? 'none' : 'none'",
      },
    ],
    test: 'test/proof/crash.test.ts',
    caughtBy: 'flushes fail for a while',
    built: true,
  },
];
