import { dirname, join, normalize } from 'node:path';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { projectFolder } from './project-files.js';
import ts from 'typescript';

/** An example of a page or a docstring, and where it stands: `docs/tasks.md:12`. */
export interface Example {
  readonly where: string;
  readonly code: string;
}

/**
 * Links of a page that lead nowhere: to a file that is not there, or to a heading its page does not have.
 *
 * @param read the text of a project file, or undefined where there is none
 */
export function deadLinks(page: string, text: string, read: (path: string) => string | undefined): string[] {
  const prose = text.replace(/```[\s\S]*?```|`[^`\n]*`/g, '');
  const targets = [...prose.matchAll(/\]\(\s*<?([^)\s>]+)/g), ...prose.matchAll(/^\[[^\]]+\]:\s*(\S+)/gm)];
  return targets.flatMap((match) => {
    const [path = '', heading] = decodeURI(match[1] ?? '').split('#');
    if (/^[a-z]+:/.test(path)) return [];
    const target = path === '' ? page : normalize(join(dirname(page), path));
    const linked = target === page ? text : read(target);
    if (linked === undefined) return [`${page}: ${match[1]} leads nowhere`];
    if (heading === undefined || headings(linked).has(heading)) return [];
    return [`${page}: ${match[1]} names a heading that ${target} does not have`];
  });
}

/** The anchors of a page, as code hosts make them. */
function headings(text: string): Set<string> {
  const prose = text.replace(/```[\s\S]*?```/g, '');
  const anchors = [...prose.matchAll(/^#{1,6} +(.+?) *#*$/gm)].map((match) =>
    (match[1] ?? '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
  return new Set(anchors);
}

/** The fenced `ts` examples of a page, or of the docstrings of a source. */
export function examplesOf(path: string, text: string): Example[] {
  const prose = path.endsWith('.md') ? text : text.replace(/^ *\* ?/gm, '');
  return [...prose.matchAll(/^ *```(?:ts|typescript)\b[^\n]*\n([\s\S]*?)^ *```/gm)].map((match) => ({
    where: `${path}:${prose.slice(0, match.index).split('\n').length}`,
    code: match[1] ?? '',
  }));
}

/** Type-checks each example as a module of its own that imports the package by its name. */
export function compileExamples(examples: readonly Example[]): string[] {
  mkdirSync(join(projectFolder, '.build'), { recursive: true });
  const folder = mkdtempSync(join(projectFolder, '.build', 'examples-'));
  try {
    const files = examples.map(({ code }, index) => {
      const file = join(folder, `example-${index}.ts`);
      writeFileSync(file, `${code}\nexport {};\n`);
      return file;
    });
    const { config } = ts.readConfigFile(join(projectFolder, 'tsconfig.json'), (path) =>
      ts.sys.readFile(path),
    ) as {
      config: object;
    };
    const { options } = ts.parseJsonConfigFileContent(
      { ...config, include: [], files },
      ts.sys,
      projectFolder,
    );
    return ts.getPreEmitDiagnostics(ts.createProgram(files, options)).map((diagnostic) => {
      const index = files.indexOf(diagnostic.file?.fileName ?? '');
      const where = examples[index]?.where ?? diagnostic.file?.fileName ?? 'tsconfig.json';
      return `${where}: ${ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ')}`;
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
