/**
 * Checks that the doors of package.json are those that src/ has: no door is forgotten, none leads nowhere, and none leads
 * to the inside.
 *
 *   src/index.ts                        .            src/testing/index.ts                  ./testing
 *   src/storage/storage.ts              ./storage    src/storage/NAME/NAME-storage.ts      ./NAME
 *   src/integrations/NAME/NAME.ts       ./NAME
 *
 * @param {{
 *   bin: Record<string, string>,
 *   exports: Record<string, string | { readonly types: string, readonly default: string }>
 * }} manifest of package.json
 * @param {readonly string[]} sources paths relative to the project
 * @returns {string[]} what is wrong
 */
export function checkDoors({ bin, exports }, sources) {
  const findings = [];
  const expected = new Map(sources.flatMap((source) => doorOf(source)));
  for (const [door, built] of expected) {
    if (!Object.hasOwn(exports, door))
      findings.push(`package.json: "exports" lacks the door ${door} to ${built}.js`);
  }
  for (const [door, target] of Object.entries(exports)) {
    if (door === './package.json') continue;
    const built = expected.get(door);
    const wanted = { types: `${built}.d.ts`, default: `${built}.js` };
    if (JSON.stringify(target) === JSON.stringify(wanted)) continue;
    const have = `package.json: the door ${door} leads to ${JSON.stringify(target)}`;
    findings.push(
      built ? `${have}; it should be ${JSON.stringify(wanted)}` : `${have}, which is no door of src/`,
    );
  }
  for (const [name, file] of Object.entries(bin)) {
    if (!sources.includes(file.replace(/^dist\//, 'src/').replace(/\.js$/, '.ts'))) {
      findings.push(`package.json: the program ${name} is ${file}, which src/ does not have`);
    }
  }
  return findings;
}

/**
 * @param {string} source
 * @returns {[door: string, built: string][]}
 */
function doorOf(source) {
  const built = source.replace(/^src\//, './dist/').replace(/\.ts$/, '');
  if (source === 'src/index.ts') return [['.', built]];
  if (source === 'src/storage/storage.ts') return [['./storage', built]];
  if (source === 'src/testing/index.ts') return [['./testing', built]];
  const named = /^src\/(?:storage\/([^/]+)\/\1-storage|integrations\/([^/]+)\/\2)\.ts$/.exec(source);
  return named ? [[`./${named[1] ?? named[2]}`, built]] : [];
}
