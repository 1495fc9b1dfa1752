import { expect, it } from '@jest/globals';
import { Prediction } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { keepsPayload, samplePayload } from './payload-sample.js';

const ids = Array.from({ length: 100_000 }, (_, i) => `0a1b2c3d4e5f-${1 + (i >> 4)}-${i % 16}`);
const kept = (share: number) => ids.filter((id) => keepsPayload(id, share));

it('keeps its share of ids, none of 0 and all of 1, and a larger share only adds some', () => {
  expect([kept(0).length, kept(1).length]).toEqual([0, ids.length]);
  // Five standard deviations of a binomial.
  expect(Math.abs(kept(0.1).length - 10_000)).toBeLessThan(5 * Math.sqrt(9_000));
  const larger = new Set(kept(0.25));
  expect(kept(0.1).filter((id) => !larger.has(id))).toEqual([]);
});

it('leaves out request and features alone, and says so', () => {
  const one = Prediction.fromPartial({
    predictionId: ids.find((id) => !keepsPayload(id, 0.1))!,
    endpoint: 'late',
    requestJson: Buffer.from('{}'),
    features: Buffer.alloc(8),
    outputs: [0.5],
    joinKey: 'k',
  });
  const without = { requestJson: Buffer.alloc(0), features: Buffer.alloc(0), payloadSampledOut: true };
  const another = { ...one, predictionId: kept(0.1)[0]! };
  const [out, still] = [{ ...one }, { ...another }];
  for (const prediction of [out, still]) samplePayload(prediction, 0.1);
  expect(out).toEqual({ ...one, ...without });
  expect(still).toEqual(another);
});
