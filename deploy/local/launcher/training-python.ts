import { join } from 'node:path';
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
  const given = process.env['PYTHON_FOR_JOBS'];
  if (given !== undefined) return given;
  const folder = join(projectRoot(), 'services/trainer/python');
  const { ensurePython } = (await import(join(folder, 'bootstrap.mjs'))) as Bootstrap;
  const dir = join(process.env['MILLRACE_CACHE'] ?? join(projectRoot(), '.millrace', 'cache'), 'python');
  return (
    await ensurePython({
      dir,
      lockFile: join(folder, 'requirements.lock'),
      onProgress: (line) => onProgress(`python: ${line}`),
    })
  ).python;
}
