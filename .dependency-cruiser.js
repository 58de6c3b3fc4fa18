/**
 * Who may import whom in src/. Arrows point one way:
 *
 *   core  <-  storage/storage.ts, engine  <-  tasks, web, scopes, transcripts  <-  mcp, integrations  <-  cli
 *
 * A backend stands beside all of them: it knows core and storage/storage.ts, and only the composition root knows it.
 * A comment says what to do about a violation, not only that there is one.
 */
const faces = 'tasks|web|scopes|transcripts';
const compositionRoot = '^src/open-(ambit|storage)\\.ts$';
const storageInterface = '^src/storage/storage\\.ts$';
// Files beside storage.ts: structures that backends share which keep their records in memory. They store nothing themselves.
const storageParts = '^src/storage/[^/]+\\.ts$';

/**
 * One layer as an allow list: what lies in `from` imports from src/ only what `to` names, and from outside anything.
 *
 * @param {string} name
 * @param {string} from
 * @param {string[]} to
 * @param {string} comment
 * @returns {import('dependency-cruiser').IForbiddenRuleType}
 */
function layer(name, from, to, comment) {
  return {
    name,
    severity: 'error',
    comment,
    from: { path: from },
    to: { path: '^src/', pathNot: to },
  };
}

/** @type {import('dependency-cruiser').IConfiguration} */
const configuration = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      comment: 'Two files that import each other are one file, or hide a third that both should import.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'no-unresolvable',
      severity: 'error',
      comment: 'The import leads nowhere: a typing error, or a package that is not installed.',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-undeclared-packages',
      severity: 'error',
      comment: 'src/ imports what package.json lists as a dependency; a user has no devDependencies.',
      from: { path: '^src/' },
      // An optional peer is a user's dependency, and for tests one of ours as well.
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['npm-peer'] },
    },
    {
      name: 'rules-are-pure',
      severity: 'error',
      comment:
        'core/ and *-rules.ts import no node:* and no package: they run in a browser console, with no mocks.',
      from: { path: '(^src/core/|-rules\\.ts$)' },
      to: { pathNot: '^src/' },
    },
    layer('core-stands-alone', '^src/core/', ['^src/core/'], 'core imports nothing outside core.'),
    layer(
      'storage-interface-knows-core',
      storageInterface,
      ['^src/core/'],
      'storage.ts is the one file a backend author reads: it imports core only.',
    ),
    layer(
      'storage-parts-know-the-interface',
      '^src/storage/(?!storage\\.ts)[^/]+\\.ts$',
      ['^src/core/', storageParts],
      'What backends share stands below all of them: it imports core, storage.ts and its like.',
    ),
    layer(
      'engine-knows-no-face',
      '^src/engine/',
      ['^src/(engine|core)/', storageInterface],
      'The engine imports core and storage/storage.ts.',
    ),
    layer(
      'backend-keeps-to-itself',
      '^src/storage/([^/]+)/',
      ['^src/storage/$1/', '^src/core/', storageParts],
      'A backend imports core, storage/storage.ts, what lies beside that file, and its own folder.',
    ),
    layer(
      'face-knows-no-other',
      `^src/(${faces})/`,
      ['^src/$1/', '^src/(core|engine)/', storageInterface],
      'A face imports core, the engine, the types of storage/storage.ts and its own folder: no backend, no other face.',
    ),
    layer(
      'mcp-stands-on-faces',
      '^src/mcp/',
      [`^src/(mcp|core|${faces})/`],
      'The leash imports faces and core; it knows neither the engine nor a store.',
    ),
    layer(
      'integrations-stand-on-faces',
      '^src/integrations/',
      [`^src/(integrations|core|${faces})/`],
      'An integration imports faces and core.',
    ),
    layer(
      'mirror-stands-on-faces',
      '^src/mirror/',
      [`^src/(mirror|core|${faces})/`, storageInterface],
      'The mirror is told of writes by the store and asks faces what to write: no engine, no backend.',
    ),
    layer(
      'testing-knows-no-backend',
      '^src/testing/',
      ['^src/(testing|core|engine)/', storageInterface],
      'ambit/testing serves every backend, so it imports none; and no face.',
    ),
    layer(
      'doctor-looks-from-above',
      '^src/doctor/',
      ['^src/(doctor|core|engine|tasks)/', storageInterface, compositionRoot],
      'The doctor examines a store through the engine and the tasks, and opens it as everybody does: no backend.',
    ),
    layer(
      'copy-moves-records',
      '^src/copy/',
      ['^src/(copy|core)/', storageInterface, compositionRoot],
      'A copy moves records from one store to another, and knows nothing of what they mean.',
    ),
    layer(
      'cli-is-thin',
      '^src/cli/',
      [
        `^src/(cli|copy|doctor|mcp|core|${faces}|integrations)/`,
        storageInterface,
        compositionRoot,
        '^src/index\\.ts$',
      ],
      'The command line parses, calls a face and renders: no engine, no backend.',
    ),
    {
      name: 'backends-behind-the-composition-root',
      severity: 'error',
      comment: 'Only open-ambit.ts and open-storage.ts choose a backend; everybody else is handed a Storage.',
      from: { path: '^src/', pathNot: [compositionRoot, '^src/storage/[^/]+/'] },
      to: { path: '^src/storage/[^/]+/' },
    },
    {
      name: 'doors-are-for-outside',
      severity: 'error',
      comment: 'Import the file that holds the thing, not the door it is published through.',
      from: { path: '^src/', pathNot: '^src/cli/' },
      to: { path: ['^src/index\\.ts$', '^src/testing/index\\.ts$'] },
    },
    {
      name: 'nobody-knows-the-cli',
      severity: 'error',
      comment: 'cli/ is the outermost layer.',
      from: { path: '^src/', pathNot: '^src/cli/' },
      to: { path: '^src/cli/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.build.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types', 'default'],
    },
  },
};

export default configuration;
