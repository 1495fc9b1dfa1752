import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureTrainingPython } from '#deploy/local/launcher/training-python.js';
import { projectRoot } from '#libs/storage/sql-file.js';

/** The ONNX file of a model that every peer serves (make_models.py), made once in the cache. */
export async function ensureModel(name: 'mlp' | 'gbt100' | 'gbt500'): Promise<string> {
  const folder = join(process.env['MILLRACE_CACHE'] ?? join(projectRoot(), '.millrace', 'cache'), 'peer-models');
  const file = join(folder, `${name}.onnx`);
  if (existsSync(file)) return file;
  const python = await ensureTrainingPython((line) => process.stderr.write(`${line}\n`));
  await promisify(execFile)(python, [join(projectRoot(), 'load-tests/peers/make_models.py'), folder]);
  return file;
}
