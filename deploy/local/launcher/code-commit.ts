import { execFileSync } from 'node:child_process';
import { dirname } from 'node:path';

/** The commit that a folder is checked out at; '' where there is no git or the folder is no checkout of its own. */
export function codeCommit(folder: string): string {
  try {
    return execFileSync('git', ['rev-parse', 'HEAD'], {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
      env: { PATH: process.env['PATH'], GIT_CEILING_DIRECTORIES: dirname(folder) },
    }).trim();
  } catch {
    return ''; // what is not known is not recorded
  }
}
