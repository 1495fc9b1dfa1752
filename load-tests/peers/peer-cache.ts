import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '#libs/storage/sql-file.js';

/** Models, environments and the generator are kept here. */
export function peerCache(): string {
  const folder = join(process.env['MILLRACE_CACHE'] ?? join(projectRoot(), '.millrace/cache'), 'peers');
  mkdirSync(folder, { recursive: true });
  return folder;
}
