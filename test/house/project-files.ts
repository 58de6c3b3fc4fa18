import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder, with a slash at the end. */
export const projectFolder: string = fileURLToPath(new URL('../../', import.meta.url));

let listed: readonly string[] | undefined;

/** The project's own files, relative and with `/`: what is committed or about to be, not what is ignored or deleted. */
export function projectFiles(choose: (path: string) => boolean): string[] {
  listed ??= execFileSync(
    'git',
    ['-c', 'safe.directory=*', 'ls-files', '-z', '--cached', '--others', '--exclude-standard'],
    {
      cwd: projectFolder,
      encoding: 'utf8',
    },
  )
    .split('\0')
    .filter((path) => path !== '' && existsSync(join(projectFolder, path)));
  return listed.filter(choose);
}

export function readProjectFile(path: string): string {
  return readFileSync(join(projectFolder, path), 'utf8');
}
