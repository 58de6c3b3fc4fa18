import ts from 'typescript';

/** One broken house rule: where, what, and what to do. */
export type Finding = string;

/** Lines in a src file: past this nobody reads it whole, and nobody dares to split it. */
const fileLinesMax = 500;
/** Lines in a function, its signature included: more does not fit a screen. */
const functionLinesMax = 70;
/** Names that say nothing of what lies inside, so everything ends up there. */
const drawerNames = new Set([
  'util',
  'utils',
  'helper',
  'helpers',
  'misc',
  'common',
  'lib',
  'shared',
  'interfaces',
]);
/** What makes the same call answer differently the next time. */
const impureGlobals = new Set([
  'process',
  'performance',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'fetch',
  'crypto',
  'console',
  'Buffer',
  'globalThis',
]);

/**
 * Checks one file of src/ against the house rules that concern a file by itself.
 *
 * @param path relative to the project, with `/`
 */
export function checkSource(path: string, text: string): Finding[] {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const report: Report = (node, message) => {
    const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
    return `${path}:${line + 1} ${message}`;
  };
  const findings = [...checkName(path), ...checkFileLength(source, path)];
  const visit = (node: ts.Node): void => {
    findings.push(...checkShape(node, report), ...checkFunctionLength(node, source, report));
    if (isRuleFile(path)) findings.push(...checkPurity(node, report));
    ts.forEachChild(node, visit);
  };
  visit(source);
  return findings;
}

/** Whether a file holds rules only: no clock, no chance, no I/O. */
export function isRuleFile(path: string): boolean {
  return path.startsWith('src/core/') || path.endsWith('-rules.ts');
}

type Report = (node: ts.Node, message: string) => Finding;

function checkName(path: string): Finding[] {
  const parts = path.replace(/\.d\.ts$|\.ts$/, '').split('/');
  return parts.flatMap((part) => {
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(part)) return [`${path}: "${part}" is not kebab-case`];
    if (drawerNames.has(part))
      return [`${path}: "${part}" names a drawer, not a thing; name what lies inside`];
    return [];
  });
}

function checkFileLength(source: ts.SourceFile, path: string): Finding[] {
  const lines = source.getLineStarts().length - 1;
  return lines > fileLinesMax ? [`${path}: ${lines} lines, over ${fileLinesMax}; split it by subject`] : [];
}

function checkShape(node: ts.Node, report: Report): Finding[] {
  if (ts.isEnumDeclaration(node)) return [report(node, 'an enum; use a union of string literals')];
  if (ts.isDecorator(node)) return [report(node, 'a decorator; call a function')];
  if (ts.isExportAssignment(node)) return [report(node, 'a default export; export by name')];
  if (ts.isExportSpecifier(node) && node.name.text === 'default') {
    return [report(node, 'a default export; export by name')];
  }
  const modifiers = ts.canHaveModifiers(node) ? (ts.getModifiers(node) ?? []) : [];
  if (modifiers.some((modifier) => modifier.kind === ts.SyntaxKind.DefaultKeyword)) {
    return [report(node, 'a default export; export by name')];
  }
  if (node.kind === ts.SyntaxKind.AnyKeyword) return [report(node, '`any`; use unknown and narrow it')];
  return [];
}

function checkFunctionLength(node: ts.Node, source: ts.SourceFile, report: Report): Finding[] {
  if (!ts.isFunctionLike(node) || !('body' in node) || node.body === undefined) return [];
  const lines = linesOf(node, source) - linesOfForeignText(node, source);
  if (lines <= functionLinesMax) return [];
  return [report(node, `a function of ${lines} lines, over ${functionLinesMax}; split it by what it does`)];
}

function linesOf(node: ts.Node, source: ts.SourceFile): number {
  const start = source.getLineAndCharacterOfPosition(node.getStart(source)).line;
  return source.getLineAndCharacterOfPosition(node.end).line - start + 1;
}

/** Lines inside template strings: SQL and Lua have no functions to split into. */
function linesOfForeignText(node: ts.Node, source: ts.SourceFile): number {
  if (ts.isTemplateLiteral(node)) return linesOf(node, source) - 1;
  let lines = 0;
  ts.forEachChild(node, (child) => {
    lines += linesOfForeignText(child, source);
  });
  return lines;
}

function checkPurity(node: ts.Node, report: Report): Finding[] {
  const impure = (what: string): Finding[] => [
    report(node, `${what} in a rule file; let the caller pass the time, the chance or the answer in`),
  ];
  if (ts.isIdentifier(node) && impureGlobals.has(node.text) && isReference(node)) return impure(node.text);
  if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.expression)) {
    const name = `${node.expression.text}.${node.name.text}`;
    if (name === 'Date.now' || name === 'Math.random') return impure(name);
  }
  if (ts.isNewExpression(node) && node.expression.getText() === 'Date' && !node.arguments?.length) {
    return impure('new Date()');
  }
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword)
    return impure('import()');
  return [];
}

/** Whether an identifier reads a variable, rather than names a property, a parameter or a type's member. */
function isReference(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  if (ts.isPropertyAssignment(parent)) return parent.initializer === node;
  return !ts.isTypeElement(parent) && !ts.isClassElement(parent) && !ts.isParameter(parent);
}
