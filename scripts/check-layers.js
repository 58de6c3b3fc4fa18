/**
 * Checks who imports whom, by the rules in .dependency-cruiser.js.
 *
 *   node scripts/check-layers.js [FOLDER]      FOLDER holds src/; the project itself unless given
 *
 * The cruiser finds nothing wrong in what it cannot read (it reads no TypeScript, for one, when it dislikes the version
 * that is installed), so this also fails if it did not visit every file of src/, or found hardly an import in them.
 */
import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { cruise } from 'dependency-cruiser';
import extractTSConfig from 'dependency-cruiser/config-utl/extract-ts-config';
import configuration from '../.dependency-cruiser.js';

/** @import { ICruiseResult } from 'dependency-cruiser' */

const project = fileURLToPath(new URL('..', import.meta.url));

/**
 * @param {string} folder
 * @returns {Promise<{ findings: string[], modules: number, imports: number }>}
 */
export async function checkLayers(folder) {
  const sources = sourceFiles(folder);
  if (sources.length === 0)
    return { findings: [`${folder}: no src/**/*.ts to check`], modules: 0, imports: 0 };
  const { options, ...ruleSet } = configuration;
  const { output } = await cruise(
    ['src'],
    { ...options, baseDir: folder, validate: true, ruleSet },
    undefined,
    { tsConfig: extractTSConfig(join(project, 'tsconfig.build.json')) },
  );
  const result = /** @type {ICruiseResult} */ (output);
  const visited = new Set(result.modules.map((module) => module.source));
  const blind = sources.filter((source) => !visited.has(source));
  const imports = result.summary.totalDependenciesCruised ?? 0;

  const findings = result.summary.violations.map(({ rule, from, to }) => {
    const comment = configuration.forbidden?.find((known) => known.name === rule.name)?.comment ?? '';
    return `${from} imports ${to} (${rule.name}): ${comment}`;
  });
  for (const source of blind)
    findings.push(`${source}: dependency-cruiser did not see it; the layers are unchecked`);
  // A tree of files of which most import nothing was not read.
  if (imports < sources.length / 2) findings.push(`only ${imports} imports seen in ${sources.length} files`);
  return { findings, modules: sources.length, imports };
}

/** @param {string} folder */
function sourceFiles(folder) {
  if (!existsSync(join(folder, 'src'))) return [];
  return readdirSync(join(folder, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => join('src', file));
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const { findings, modules, imports } = await checkLayers(resolve(process.argv[2] ?? project));
  for (const finding of findings) console.error(finding);
  if (findings.length > 0) process.exit(1);
  console.log(`layers: ${modules} files, ${imports} imports, no violation`);
}
