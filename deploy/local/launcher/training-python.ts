import { join } from 'node:path';
import { cacheFolder } from '#libs/storage/cache-folder.js';
import { projectRoot } from '#libs/storage/sql-file.js';

interface Bootstrap {
  ensurePython(options: {
    dir: string;
    lockFile: string;
    onProgress?: (line: string) => void;
  }): Promise<{ python: string }>;
}

/** The interpreter for training jobs: PYTHON_FOR_JOBS where it is given, else a virtual environment of the locked packages, made once. */
export async function ensureTrainingPython(onProgress: (line: string) => void): Promise<string> {
  return process.env['PYTHON_FOR_JOBS'] ?? ensurePython('python', 'requirements.lock', onProgress);
}

/** @param name of the environment's folder in the cache @param lock a file of services/trainer/python */
export async function ensurePython(name: string, lock: string, onProgress: (line: string) => void): Promise<string> {
  const folder = join(projectRoot(), 'services/trainer/python');
  const bootstrap = (await import(join(folder, 'bootstrap.mjs'))) as Bootstrap;
  const dir = cacheFolder(name);
  return (
    await bootstrap.ensurePython({
      dir,
      lockFile: join(folder, lock),
      onProgress: (line) => onProgress(`${name}: ${line}`),
    })
  ).python;
}
