import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { ensureTrainingPython } from '#deploy/local/launcher/training-python.js';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import type { JobQuestion } from '../src/domain/ports.js';
import { PythonJobRunner } from '../src/outbound/python-job.runner.js';
import { planOf } from './plan.js';

const folder = mkdtempSync(join(tmpdir(), 'millrace-jobs-'));
const artifacts = new ArtifactStore(join(folder, 'artifacts'));
let jobs: PythonJobRunner;
let dataset: JobQuestion['dataset'];

beforeAll(async () => {
  const python = await ensureTrainingPython(() => undefined);
  jobs = new PythonJobRunner(python, join(folder, 'runs'), artifacts, { threads: 1, wallSeconds: 120, rssMb: 4_096 });
  const rows = 2_000;
  const a = Array.from({ length: rows }, (_, i) => (i * 7_919) % 1_000);
  const b = Array.from({ length: rows }, (_, i) => (i % 13 === 0 ? Number.NaN : (i * 104_729) % 500));
  const columnData = [
    { name: 'a', data: a, type: 'FLOAT' as const, nullable: false },
    { name: 'b', data: b, type: 'FLOAT' as const, nullable: false },
    {
      name: 'label',
      data: a.map((value, i) => ((value + (i % 300)) % 1_300 > 600 ? 1 : 0)),
      type: 'FLOAT' as const,
      nullable: false,
    },
    {
      name: 'split',
      data: a.map((_, i) => (i < 1_500 ? 'train' : 'validate')),
      type: 'STRING' as const,
      nullable: false,
    },
  ];
  const bytes = new Uint8Array(parquetWriteBuffer({ columnData }));
  const { sha256 } = await artifacts.put(
    (async function* () {
      yield bytes;
    })(),
    1e8,
  );
  dataset = { sha256, rows, features: ['a', 'b'], digest: 'd' };
}, 240_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const ask = (change: Partial<JobQuestion>): JobQuestion => ({
  runId: 'run',
  step: 'train',
  attempt: 1,
  kind: 'train',
  plan: planOf('p'),
  dataset,
  features: dataset.features,
  ...change,
});
const never = new AbortController().signal;

describe('jobs in the locked Python', () => {
  it('train, evaluate, convert and prove parity, from one to the next', async () => {
    const seen: string[] = [];
    const trained = await jobs.run(ask({}), (_, stage) => seen.push(stage), never);
    expect(trained.metrics['validate.auc']).toBeGreaterThan(0.8);
    expect(seen).toContain('train');
    const model = trained.artifacts.get('model')!;
    expect(createHash('sha256').update(readFileSync(model.path)).digest('hex')).toBe(model.sha256);
    const evaluated = await jobs.run(ask({ step: 'evaluate', kind: 'evaluate', model }), () => undefined, never);
    expect(evaluated.metrics['validate.auc']).toBe(trained.metrics['validate.auc']);
    const converted = await jobs.run(ask({ step: 'convert', kind: 'convert', model }), () => undefined, never);
    expect(converted.onnx).toEqual({ input: 'input', output: 'probabilities' });
    const onnx = converted.artifacts.get('onnx')!.path;
    const parity = await jobs.run(ask({ step: 'parity', kind: 'parity', model, onnx }), () => undefined, never);
    expect(parity.metrics['parity.passed']).toBe(1);
  }, 120_000);

  it('read the chosen features only, and measure a live version that reads others on the same rows', async () => {
    const one = ask({ runId: 'one', features: ['a'] });
    const model = (await jobs.run(one, () => undefined, never)).artifacts.get('model')!;
    const convert = { step: 'convert', kind: 'convert', model } as const;
    const converted = await jobs.run({ ...one, ...convert }, () => undefined, never);
    const onnx = converted.artifacts.get('onnx')!.path;
    const parity = await jobs.run({ ...one, step: 'parity', kind: 'parity', model, onnx }, () => undefined, never);
    expect(parity.metrics['parity.passed']).toBe(1);
    const evaluate = { step: 'evaluate', kind: 'evaluate', onnx } as const;
    const itself = await jobs.run({ ...one, ...evaluate, model }, () => undefined, never);
    const two = ask({ runId: 'two', features: ['b'] });
    const other = (await jobs.run(two, () => undefined, never)).artifacts.get('model')!;
    const compared = await jobs.run({ ...two, ...evaluate, model: other }, () => undefined, never);
    expect(compared.metrics['live.validate.rows']).toBe(compared.metrics['validate.rows']);
    expect(compared.metrics['live.validate.auc']).toBe(itself.metrics['live.validate.auc']);
    expect(compared.metrics['live.validate.auc']).toBeGreaterThan(compared.metrics['validate.auc']! + 0.2);
  }, 120_000);

  it('say what is wrong with what they were given, and are not worth another attempt', async () => {
    const plan = planOf('p');
    const wrong = {
      ...plan,
      pipeline: { ...plan.pipeline, train: { algorithm: 'lightgbm', params: { objective: 'x' } } },
    };
    await expect(jobs.run(ask({ plan: wrong, attempt: 2 }), () => undefined, never)).rejects.toMatchObject({
      code: 'failed-precondition',
      message: expect.stringMatching(/objective/),
    });
    await expect(
      jobs.run(ask({ features: ['a', 'missing'], attempt: 3 }), () => undefined, never),
    ).rejects.toMatchObject({ code: 'failed-precondition', message: expect.stringMatching(/missing/) });
  }, 60_000);

  it('end at once when the run is cancelled', async () => {
    const abort = new AbortController();
    const plan = planOf('p');
    const long = {
      ...plan,
      pipeline: {
        ...plan.pipeline,
        train: { algorithm: 'lightgbm', params: { num_iterations: 1_000_000, early_stopping_round: 0 } },
      },
    };
    const running = jobs.run(ask({ plan: long, attempt: 4 }), () => undefined, abort.signal);
    setTimeout(() => abort.abort(), 2_500);
    await expect(running).rejects.toThrow();
  }, 60_000);
});
