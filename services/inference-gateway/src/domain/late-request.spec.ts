import { describe, expect, it } from '@jest/globals';
import { anyEndpoint, setUpTensors, two } from '../../test/fake-tensors.js';
import { flights, plan, setUp, version, withCandidate } from '../../test/fakes.js';
import { endpointOf } from './arms.js';
import { LateRequest } from './late-request.js';

const late = async (): Promise<never> => {
  throw new LateRequest('while the request waited for the model');
};

describe('a request with a deadline', () => {
  it('hands on to features and model until when its caller waits: its deadline or its timeout, whichever is first', async () => {
    const { infer, features, runner } = setUp();
    const deadlineMs = Date.now() + 60_000;
    await infer(flights('a'), deadlineMs);
    const timeout = { parameterChoice: { $case: 'int64Param', int64Param: 1_000_000 } };
    await infer({ ...flights('a'), parameters: { timeout } }, deadlineMs);
    await infer(flights('a'));
    expect(features.untils).toEqual(runner.untils);
    const [deadline, timedOut, none] = runner.untils;
    expect(deadline).toBe(deadlineMs);
    expect(timedOut! - Date.now()).toBeLessThanOrEqual(1_000);
    expect(none).toBe(Infinity);
  });

  it('that became late is no failure of a version, and is not answered by another one or by the fallback', async () => {
    const endpoint = withCandidate({ percent: 100 }, { fallbackPrediction: 0.2 });
    const { infer, log, runner } = setUp(endpoint);
    runner.special.set('canary', late);
    await expect(infer(flights('a'))).rejects.toMatchObject({ code: 'deadline-exceeded' });
    expect(runner.runs.map(({ lane }) => lane)).toEqual(['canary']);
    expect([log.failures, log.kept]).toEqual([[], []]);
  });

  it('where features are late nothing is noted either', async () => {
    const { infer, log, features } = setUp(endpointOf(plan, version));
    features.error = new LateRequest('while the request waited for the feature store');
    await expect(infer(flights('a'))).rejects.toBeInstanceOf(LateRequest);
    expect(log.failures).toEqual([]);
  });

  it('to a model of any kind is late in the same way', async () => {
    const { infer, log, runner } = setUpTensors(anyEndpoint);
    runner.errors.set('1', new LateRequest('while the request waited for the model'));
    await expect(infer(two)).rejects.toBeInstanceOf(LateRequest);
    expect(log.failures).toEqual([]);
  });
});
