import type { RunPlan } from '../src/domain/run.js';

/** A plan for tests. */
export function planOf(pipeline: string): RunPlan {
  return {
    pipeline: {
      name: pipeline,
      model: 'm',
      windowMs: 1_000,
      trainShare: 0.75,
      train: { algorithm: 'lightgbm', params: { num_iterations: 20 } },
      gates: ['validate.auc >= 0.5'],
    },
    model: {
      name: 'm',
      task: 'binary',
      features: 'f',
      label: { stream: 's', value: 'x', join: 'k', horizonMs: 1 },
      segments: [],
      owners: [],
    },
    fromMs: 1,
    toMs: 100,
    validateFromMs: 75,
  };
}
