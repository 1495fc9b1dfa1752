import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** A folder of the cache: one that is there is whole. @param make fills `made`, which becomes the folder; what it leaves beside it, in `work`, is removed */
export async function madeOnce(folder: string, make: (made: string, work: string) => Promise<void>): Promise<string> {
  if (existsSync(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const work = await mkdtemp(`${folder}-`);
  const made = join(work, 'made');
  try {
    await mkdir(made);
    await make(made, work);
    await rename(made, folder).catch((error: NodeJS.ErrnoException) => {
      // Another process was first, and its folder is as good.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  return folder;
}
