import { describe, expect, it } from '@jest/globals';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { float32Bytes } from '#libs/tensors/tensor-codec.js';
import { live, plan, setUp, text, version, withCandidate } from '../../test/fakes.js';
import { endpointOf } from './arms.js';

const rows = Float32Array.of(10, 1, 20, Number.NaN);
const vectors = (...more: object[]) => ({
  inputs: [{ name: 'features', datatype: 'FP32', shape: [2, 2] }, ...more],
  rawInputContents: [float32Bytes(rows)],
});

describe('whole vectors with nothing beside them', () => {
  it('are scored, kept in one piece and answered with the ids of that piece', async () => {
    const { infer, log, features, runner } = setUp();
    const answer = await infer(vectors());
    expect(answer).toMatchObject({ modelName: 'late', modelVersion: '3', id: 'r1' });
    expect(answer.rawOutputContents[0]).toEqual(float32Bytes(Float32Array.of(0.1, 0.2)));
    expect(answer.rawOutputContents[1]!.toString('latin1')).toBe('\t\0\0\0block-1-0\t\0\0\0block-1-1');
    expect([features.questions, log.kept.length]).toEqual([0, 0]);
    expect(runner.runs).toEqual([{ sha: 'a', rows: 2, lane: 'live', input: [...rows] }]);
    const [kept] = log.packed;
    expect(kept).toMatchObject({ rows: 2, features: float32Bytes(rows), outputs: Float32Array.of(0.1, 0.2) });
    expect(kept!.shared).toMatchObject({
      requestId: 'r1',
      modelVersion: '3',
      caller: 'tester',
      requestJson: Buffer.from('{}'),
      featuresGiven: true,
      fallback: false,
      joinKey: '',
      arm: 'live',
    });
  });

  it('answer what the same vectors do with a key beside them', async () => {
    const [packed, keyed] = [setUp(), setUp()];
    const one = { name: 'features', datatype: 'FP32', shape: [2, 2], contents: { fp32Contents: [...rows] } };
    const alone = await packed.infer({ inputs: [one] });
    const beside = await keyed.infer({ inputs: [one, text('flight_id', 'x', 'y')] });
    expect(alone.rawOutputContents[0]).toEqual(beside.rawOutputContents[0]);
    expect(alone.outputs).toEqual(beside.outputs);
    const { joinKey: _joinKey, stickyKey: _stickyKey, requestJson: _request, ...same } = keyed.log.kept[0]!.prediction;
    expect(packed.log.packed[0]!.shared).toMatchObject({
      ...same,
      asOfMs: expect.any(Number),
      featuresUs: 0,
      inferUs: expect.any(Number),
      features: Buffer.alloc(0),
      outputs: [],
    });
  });

  it('leave their vectors out of the log where the endpoint says so', async () => {
    const { infer, log } = setUp(endpointOf({ ...plan, logFeatures: false }, version));
    await infer(vectors());
    expect(log.packed[0]!.features).toHaveLength(0);
  });

  it('are kept row by row where the endpoint logs a sample, for each row is in it or not', async () => {
    const { infer, log } = setUp(endpointOf({ ...plan, payloadShare: 0.5 }, version));
    await infer(vectors());
    expect([log.kept.length, log.packed.length]).toEqual([2, 0]);
  });

  it('have no key to be drawn by, and are shown to the candidate', async () => {
    const { infer, log, runner, mirror } = setUp(withCandidate({ percent: 100, mirror: true }));
    await infer(vectors());
    await mirror.stop(1_000);
    expect(runner.runs.map(({ sha, lane }) => [sha, lane])).toEqual([
      ['a', 'live'],
      ['b', 'shadow'],
    ]);
    expect(log.shadows.map(({ primaryId }) => primaryId)).toEqual(['block-1-0', 'block-1-1']);
    expect(log.packed[0]!.shared).toMatchObject({ arm: 'live', rolloutId: 'r', rolloutStep: 1 });
  });

  it('are answered with the declared fallback while no worker is there, and each row has failed', async () => {
    const { infer, log, runner } = setUp(endpointOf({ ...plan, fallbackPrediction: 0.25 }, version));
    runner.error = new MillraceError('unavailable', 'away');
    const answer = await infer(vectors());
    expect(answer.rawOutputContents[0]).toEqual(float32Bytes(Float32Array.of(0.25, 0.25)));
    expect(log.packed[0]).toMatchObject({ shared: { fallback: true }, features: Buffer.alloc(0) });
    expect(log.failures).toHaveLength(2);
  });

  it('are not answered when they cannot be kept, nor when their deadline is over', async () => {
    const { infer, log } = setUp(live);
    log.error = new MillraceError('unavailable', 'full');
    await expect(infer(vectors())).rejects.toThrow('full');
    await expect(infer(vectors(), 1)).rejects.toMatchObject({ code: 'deadline-exceeded' });
  });
});
