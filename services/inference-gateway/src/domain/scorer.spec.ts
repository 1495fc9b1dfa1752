import { describe, expect, it } from '@jest/globals';
import { decodeStrings } from '../../test/decode.js';
import { candidateVersion, flights, plan, setUp, version, withCandidate } from '../../test/fakes.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { endpointOf, namedVersion } from './arms.js';
import { answers } from './split.js';

const ids = Array.from({ length: 2_000 }, (_, i) => `flight-${i}`);
const [mine, theirs] = [ids.filter((id) => !answers('r', id, 30)), ids.filter((id) => answers('r', id, 30))];
const [liveKey, canaryKey] = [mine[0]!, theirs[0]!];
const away = async (): Promise<never> => {
  throw new MillraceError('unavailable', 'candidate is away');
};

describe('a canary', () => {
  it('answers the keys that fall to it, each time, and nobody else', async () => {
    const { infer, log } = setUp(withCandidate({ percent: 30 }));
    for (const id of [...ids.slice(0, 200), ...ids.slice(0, 200)]) {
      const response = await infer(flights(id));
      expect(response.modelVersion).toBe(answers('r', id, 30) ? '4' : '3');
      expect(response.outputs).toHaveLength(2);
    }
    const canary = log.kept.filter(({ prediction }) => prediction.arm === 'canary');
    expect(canary.length).toBeGreaterThan(0);
    expect(canary.every(({ prediction }) => prediction.modelVersion === '4')).toBe(true);
    expect(log.kept.every(({ prediction }) => prediction.rolloutId === 'r' && prediction.rolloutStep === 1)).toBe(true);
  });

  it('splits one request row by row, in one question for features, and says which version answered which', async () => {
    const { infer, log, features, runner } = setUp(withCandidate({ percent: 30 }));
    runner.special.set('b', async (rows) => new Float32Array(rows).fill(0.75));
    const response = await infer(flights(canaryKey, liveKey, canaryKey));
    expect(features.questions).toBe(1);
    expect(response.modelVersion).toBe('4');
    expect(response.outputs[2]).toMatchObject({ name: 'model_version', datatype: 'BYTES', shape: [3] });
    expect(decodeStrings(response.rawOutputContents[2]!)).toEqual(['4', '3', '4']);
    expect([0, 4, 8].map((at) => response.rawOutputContents[0]!.readFloatLE(at))).toEqual([
      0.75,
      expect.closeTo(0.2),
      0.75,
    ]);
    expect(log.kept.map(({ prediction }) => [prediction.arm, prediction.modelVersion])).toEqual([
      ['canary', '4'],
      ['live', '3'],
      ['canary', '4'],
    ]);
  });

  it.each([
    ['throws', away, 'unavailable'],
    ['says NaN', async (rows: number) => new Float32Array(rows).fill(Number.NaN), 'internal'],
  ])('that %s is answered for by the live version, and its failures are noted', async (_, run, code) => {
    const { infer, log, runner } = setUp(withCandidate({ percent: 30 }));
    runner.special.set('canary', run);
    const response = await infer(flights(canaryKey, liveKey));
    expect(response.modelVersion).toBe('3');
    expect(response.outputs).toHaveLength(2);
    expect(response.rawOutputContents[0]!.readFloatLE(0)).toBeCloseTo(0.1);
    expect(response.rawOutputContents[0]!.readFloatLE(4)).toBeCloseTo(0.2);
    expect(log.kept.map(({ prediction }) => prediction.arm)).toEqual(['live', 'live']);
    expect(log.failures).toMatchObject([{ arm: 'canary', modelVersion: '4', rolloutId: 'r', code, asOfMs: 7 }]);
  });

  it('is not blamed for a row that is wrong', async () => {
    const { infer, log, runner } = setUp(withCandidate({ percent: 30 }));
    runner.special.set('canary', async () => {
      throw new MillraceError('invalid-argument', 'row 0: wrong');
    });
    await expect(infer(flights(canaryKey))).rejects.toMatchObject({ code: 'invalid-argument' });
    expect(log.failures).toEqual([]);
  });

  it('takes no row without a key', async () => {
    const { infer, log } = setUp(withCandidate({ percent: 100 }));
    await infer(flights('', 'x'));
    expect(log.kept.map(({ prediction }) => prediction.arm)).toEqual(['live', 'canary']);
  });

  it('is drawn by the join key where no sticky key is declared', async () => {
    const { infer, log } = setUp(withCandidate({ percent: 30 }, { stickyKey: undefined }));
    await infer(flights(canaryKey, liveKey));
    expect(log.kept.map(({ prediction }) => prediction.arm)).toEqual(['canary', 'live']);
  });
});

describe('failures of the live version', () => {
  it('are noted a row before the error goes to the caller', async () => {
    const { infer, log, runner } = setUp(withCandidate({ percent: 30 }));
    runner.special.set('live', away);
    await expect(infer(flights(liveKey, canaryKey))).rejects.toMatchObject({ code: 'unavailable' });
    expect(log.failures.map(({ arm, modelVersion }) => [arm, modelVersion])).toEqual([['live', '3']]);
    expect(log.kept).toEqual([]);
  });

  it('are noted where the fallback answers', async () => {
    const { infer, log, features } = setUp(withCandidate({ percent: 30 }, { fallbackPrediction: 0.25 }));
    features.error = new MillraceError('unavailable', 'x'.repeat(500));
    await infer(flights(liveKey, canaryKey));
    expect(log.failures.map(({ arm, message }) => [arm, message.length])).toEqual([
      ['live', 200],
      ['canary', 200],
    ]);
    expect(log.kept.map(({ prediction }) => [prediction.arm, prediction.fallback])).toEqual([
      ['live', true],
      ['live', true],
    ]);
  });
});

describe('features', () => {
  const narrow = { ...candidateVersion, features: ['f'] };
  const wide = { features: ['g', 'f'] };

  it('are asked for and logged whole, and each version reads its own columns', async () => {
    const { infer, log, runner } = setUp(withCandidate({ percent: 30, version: narrow }));
    await infer(flights(liveKey, canaryKey));
    expect(runner.runs).toEqual([
      { sha: 'a', rows: 1, lane: 'live', input: [10, Number.NaN] },
      { sha: 'b', rows: 1, lane: 'canary', input: [20] },
    ]);
    expect(log.kept.map(({ prediction }) => prediction.features.length)).toEqual([8, 8]);
  });

  it('of a live version that reads some of them are taken in the service order', async () => {
    const { infer, runner } = setUp(endpointOf({ ...plan, ...wide }, { ...version, features: ['f'] }));
    await infer(flights('x', 'y'));
    expect(runner.runs[0]!.input).toEqual([Number.NaN, Number.NaN]);
  });

  it('of another width than the version was trained on are refused, not guessed', async () => {
    const stale = endpointOf({ ...plan, featureServiceDigest: 'other' }, { ...version, features: ['f'] });
    await expect(setUp(stale).infer(flights('x'))).rejects.toMatchObject({
      code: 'failed-precondition',
      message: expect.stringMatching(/reads 1 features and got 2/),
    });
  });

  it.each([
    ['the same', candidateVersion, ['canary']],
    ['other', narrow, ['live']],
  ])('given whole are shared only by versions that read %s', async (_, candidate, arms) => {
    const { infer, log } = setUp(withCandidate({ percent: 100, version: candidate, mirror: true }));
    const features = { name: 'features', datatype: 'FP32', shape: [1, 2], contents: { fp32Contents: [50, 1] } };
    await infer({ inputs: [features, ...flights('x').inputs.slice(0, 1)] });
    expect(log.kept.map(({ prediction }) => prediction.arm)).toEqual(arms);
    expect(log.unmirrored.map(({ reason }) => reason)).toEqual(arms[0] === 'live' ? ['features-given'] : []);
  });
});

describe('a version that is named', () => {
  const endpoint = withCandidate({ percent: 50, mirror: true });
  it.each([
    ['3', 'live', 'a'],
    ['4', 'canary', 'b'],
  ])('%s answers everything, outside the rollout', async (named, arm, sha) => {
    const { infer, log, runner } = setUp(namedVersion(endpoint, named)!);
    const response = await infer(flights(...ids.slice(0, 10)));
    expect(response.modelVersion).toBe(named);
    expect(runner.runs.map((run) => [run.sha, run.rows])).toEqual([[sha, 10]]);
    expect(new Set(log.kept.map(({ prediction }) => `${prediction.arm} ${prediction.rolloutId}`))).toEqual(
      new Set([`${arm} `]),
    );
  });

  it('is not found where it is neither live nor the candidate', () => {
    expect(namedVersion(endpoint, '2')).toBeUndefined();
  });
});
