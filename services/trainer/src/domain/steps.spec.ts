import { describe, expect, it } from '@jest/globals';
import { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { planOf } from '../../test/plan.js';
import type { JobQuestion, JobRunner, Mesh, Registered } from './ports.js';
import { type Run, type Step, type StepName, stepNames } from './run.js';
import { type StepContext, steps } from './steps.js';

const dataset = { sha256: 'd'.repeat(64), rows: 10, features: ['a', 'b', 'c'], digest: 'dig' };
const made: Partial<Record<StepName, object>> = {
  dataset,
  train: { model: '/m', modelSha256: 's', metrics: {} },
  convert: { onnx: '/o', onnxSha256: 'o', input: 'i', output: 'o' },
};

function contextOf(features: readonly string[] | undefined, mesh: Partial<Mesh>) {
  const plan = planOf('p');
  const train = { ...plan.pipeline.train, ...(features === undefined ? {} : { features }) };
  const run: Run = {
    runId: 'r',
    state: 'running',
    reason: 'manual',
    plan: { ...plan, toMs: 100, pipeline: { ...plan.pipeline, train } },
    error: '',
    modelVersion: '',
    createdMs: 0,
    steps: stepNames.map(
      (name) => ({ name, state: 'succeeded', attempt: 1, message: '', outputs: made[name] ?? {} }) as Step,
    ),
  };
  const asked: JobQuestion[] = [];
  const jobs = {
    run: async (question: JobQuestion) => {
      asked.push(question);
      const file = { path: '/f', sha256: 'f' };
      const artifacts = new Map([
        ['model', file],
        ['onnx', file],
        ['reference', file],
        ['background', file],
      ]);
      const metrics = { 'validate.logloss': 0.3, 'live.validate.logloss': 0.4, 'parity.passed': 1 };
      return { metrics, artifacts, onnx: { input: 'i', output: 'o' } };
    },
  } as unknown as JobRunner;
  const context = { run, attempt: 1, jobs, mesh, signal: new AbortController().signal, progress: () => undefined };
  return { context: context as unknown as StepContext, asked };
}
const live = (...features: string[]): Partial<Mesh> => ({
  liveVersion: async () => ({ version: ModelVersion.fromPartial({ version: '2', features }), onnxPath: '/live' }),
});
const built: Partial<Mesh> = { buildDataset: async () => dataset };

describe('a choice of features', () => {
  it('is read by every job in the order of the feature service; the dataset keeps all', async () => {
    const { context, asked } = contextOf(['c', 'a'], { ...built, liveVersion: async () => undefined });
    expect((await steps.dataset(context)).outputs.features).toEqual(['a', 'b', 'c']);
    expect((await steps.dataset(context)).message).toContain('10 rows, 2 of 3 features');
    for (const name of ['train', 'evaluate', 'convert', 'parity'] as const) await steps[name](context);
    expect(asked.map(({ kind, features }) => [kind, features])).toEqual(
      ['train', 'evaluate', 'convert', 'parity'].map((kind) => [kind, ['a', 'c']]),
    );
  });

  it('that the dataset lacks fails the run and is named', async () => {
    await expect(steps.dataset(contextOf(['a', 'nope'], built).context)).rejects.toMatchObject({
      code: 'failed-precondition',
      message: 'train.features: nope not in the dataset; it has a, b, c',
    });
  });

  it('is all of them where nothing is chosen', async () => {
    const { context, asked } = contextOf(undefined, built);
    expect((await steps.dataset(context)).message).toContain('10 rows, 3 features');
    await steps.train(context);
    expect(asked[0]!.features).toEqual(['a', 'b', 'c']);
  });
});

describe('the live version', () => {
  it('is measured on the same rows, whichever features of the dataset it reads', async () => {
    const { context, asked } = contextOf(['a'], live('b', 'c'));
    expect((await steps.evaluate(context)).message).toBe('log-loss 0.3; live version 2: log-loss 0.4');
    expect(asked[0]!.onnx).toBe('/live');
    expect((await steps.evaluate(context)).outputs.reference).toBe('/f');
  });

  it('is left out, and that is said, where it reads what the dataset lacks', async () => {
    const { context, asked } = contextOf(undefined, live('a', 'gone'));
    expect((await steps.evaluate(context)).message).toContain('reads gone, which the dataset lacks: not compared');
    expect(asked[0]!.onnx).toBeUndefined();
  });
});

describe('a registered version', () => {
  const rollout = (state: string) => ({ id: 'r1', endpoint: 'late-arrival', state });
  it.each<[string, Pick<Registered, 'live' | 'rollouts'>]>([
    ['version 3', { live: [], rollouts: [] }],
    ['version 3, live on a, b', { live: ['a', 'b'], rollouts: [] }],
    ['version 3, rollout r1 of late-arrival begins with shadow', { live: [], rollouts: [rollout('shadow')] }],
    [
      'version 3, live on a, rollout r1 of late-arrival waits for approval',
      { live: ['a'], rollouts: [rollout('pending')] },
    ],
  ])('is told as "%s"', async (message, fate) => {
    const { context } = contextOf(undefined, { register: async () => ({ version: '3', ...fate }) });
    const done = await steps.register(context);
    expect(done.message).toBe(message);
    expect(done.outputs).toEqual({ version: '3', live: fate.live, rollouts: fate.rollouts.map(({ id }) => id) });
  });
});
