import { expect, it } from '@jest/globals';
import { Prediction } from './generated/millrace/predictions/v1/predictions.js';
import { isLike, ownOf, withOwn } from './prediction-rows.js';

const prediction: Prediction = {
  predictionId: '',
  requestId: 'r1',
  endpoint: 'late',
  model: 'm',
  modelVersion: '3',
  featureService: 'fs',
  featureServiceDigest: 'd',
  asOfMs: 1,
  answeredAtMs: 2,
  joinKey: 'j',
  stickyKey: 's',
  requestJson: Buffer.from('{}'),
  features: Buffer.alloc(0),
  outputs: [],
  snapshot: 4,
  featuresGiven: true,
  fallback: true,
  latencyUs: 5,
  caller: 'c',
  arm: 'live',
  rolloutId: 'ro',
  rolloutStep: 6,
  traceId: 't',
  featuresUs: 7,
  inferUs: 8,
  cached: true,
  explained: true,
  payloadSampledOut: true,
};
/** Told beside the shared part, never in it. */
const ofRows = ['predictionId', 'features', 'outputs'];
const others: Record<string, unknown> = { string: 'another', number: 99, boolean: false, object: Buffer.from('[]') };

it.each(Object.keys(Prediction.create()).filter((key) => !ofRows.includes(key)))(
  'what differs in %s is either its own, and comes back, or is not like it',
  (key) => {
    const other = { ...prediction, [key]: others[typeof prediction[key as keyof Prediction]] };
    if (isLike(prediction, other)) expect(withOwn(prediction, ownOf(other))).toEqual(other);
    else expect(withOwn(prediction, ownOf(other))).toEqual(prediction);
    expect(other).not.toEqual(prediction);
  },
);

it('what is its own is told alone', () => {
  const { requestId, asOfMs, latencyUs, traceId, featuresUs, inferUs } = prediction;
  const own = { requestId, asOfMs, latencyUs, traceId, featuresUs, inferUs };
  expect(ownOf(prediction)).toEqual({ ...Prediction.create(), ...own });
});
