import { join } from 'node:path';
import { projectRoot } from './sql-file.js';

/** Where what is downloaded or built once is kept, for all runs of this checkout, or of all that MILLRACE_CACHE is told to. @param names of a folder in it, which need not exist */
export function cacheFolder(...names: readonly string[]): string {
  return join(process.env['MILLRACE_CACHE'] ?? join(projectRoot(), '.millrace', 'cache'), ...names);
}
