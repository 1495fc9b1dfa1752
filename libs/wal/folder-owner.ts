import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { MillraceError } from '#libs/errors/millrace-error.js';

/**
 * Takes a folder for this process, for as long as it lives. It guards against one that is still there, such as a child whose parent was killed a moment ago; not against two that begin in the same
 * instant. Without /proc (Linux) nobody can tell, and nothing is checked.
 * @throws MillraceError failed-precondition where another process has it, by its id
 */
export function takeFolder(folder: string): void {
  const path = join(folder, 'owner');
  const me = identityOf(process.pid);
  if (me === undefined) return;
  const owner = existsSync(path) ? readFileSync(path, 'utf8') : me;
  if (owner !== me && identityOf(Number(owner.split(' ')[0])) === owner)
    throw new MillraceError(
      'failed-precondition',
      `the log in ${folder} is written by process ${owner.split(' ')[0]}, which lives: one process each`,
    );
  writeFileSync(path, me);
}

/** A process id and when it began, for ids come again; undefined = there is no such process, or it has ended and waits for its parent. */
function identityOf(pid: number): string | undefined {
  const path = `/proc/${pid}/stat`;
  if (!existsSync(path)) return undefined;
  const text = readFileSync(path, 'utf8'); // proc(5): pid (name) state ..., the start time is field 22; a name may hold spaces and parentheses
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? undefined : `${pid} ${fields[19]}`;
}
