import { describe, expect, it } from '@jest/globals';
import type { Answer } from './answer.js';
import { ServingStatistics } from './serving-statistics.js';

const answer = (more: Partial<Answer> = {}): Answer => ({
  modelName: 'late',
  modelVersion: '3',
  id: '',
  fallback: false,
  answeredBy: [{ version: '3', rows: 2 }],
  outputs: [],
  timesMs: { features: 2, infer: 3 },
  ...more,
});

describe('statistics of a version', () => {
  it('are of what was served: durations of all requests together, rows as inferences', () => {
    const served = new ServingStatistics();
    served.succeeded(answer(), 10);
    served.succeeded(answer(), 20);
    served.failed('late', '3', 4);
    expect(served.of('late', '3')).toMatchObject({
      inferenceCount: 4,
      lastInference: expect.any(Number),
      inferenceStats: {
        success: { count: 2, ns: 30e6 },
        fail: { count: 1, ns: 4e6 },
        computeInput: { count: 2, ns: 4e6 },
        computeInfer: { count: 2, ns: 6e6 },
        computeOutput: { count: 2, ns: 20e6 },
        queue: { count: 2, ns: 0 }, // load generators find the version that answered by its count
      },
    });
  });

  it('count a request for each version that answered rows of it, and no times of a fallback', () => {
    const served = new ServingStatistics();
    const answeredBy = [
      { version: '3', rows: 5 },
      { version: '4', rows: 1 },
    ];
    served.succeeded(answer({ answeredBy, timesMs: undefined }), 10);
    expect(['3', '4', '5'].map((version) => served.of('late', version).inferenceCount)).toEqual([5, 1, 0]);
    expect(served.of('late', '4').inferenceStats).toMatchObject({ success: { count: 1 }, computeInfer: { count: 0 } });
  });
});
