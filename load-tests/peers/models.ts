import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { ensureTrainingPython } from '#deploy/local/launcher/training-python.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { float32View } from '#libs/tensors/tensor-codec.js';
import { featureCount, type ModelName, modelNames, type PeerModel } from './peer.js';

const run = promisify(execFile);

export interface Models {
  readonly all: Readonly<Record<ModelName, PeerModel>>;
  /** File of the one that reads 50 features. */
  readonly wide: string;
  /** float32 [1, 20] */
  readonly row: Float32Array;
}

/** Made once for each content of their script. */
export async function ensureModels(cache: string, onProgress: (line: string) => void): Promise<Models> {
  const script = join(projectRoot(), 'load-tests/peers/models/make_models.py');
  const folder = join(cache, `models-${sha256(script).slice(0, 12)}`);
  if (!existsSync(folder)) {
    onProgress('making the models');
    const python = await ensureTrainingPython(onProgress);
    rmSync(`${folder}.part`, { recursive: true, force: true });
    await run(python, [script, `${folder}.part`]);
    renameSync(`${folder}.part`, folder);
  }
  const all = modelNames.map((name): [ModelName, PeerModel] => {
    const file = join(folder, `${name}.onnx`);
    return [name, { name, file, sha256: sha256(file) }];
  });
  const row = float32View(readFileSync(join(folder, 'row.f32')));
  if (row.length !== featureCount) throw new Error(`row.f32 has ${row.length} values, not ${featureCount}`);
  return { all: Object.fromEntries(all) as Models['all'], wide: join(folder, 'mlp50.onnx'), row };
}

function sha256(file: string): string {
  return createHash('sha256').update(readFileSync(file)).digest('hex');
}

/** The same row over and over: float32 [count, 20]. */
export function repeated(row: Float32Array, count: number): Float32Array {
  const rows = new Float32Array(count * row.length);
  for (let i = 0; i < count; i += 1) rows.set(row, i * row.length);
  return rows;
}
