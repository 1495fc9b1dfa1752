import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  Prediction,
  PredictionBlock,
  Snapshot,
} from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { encodeBlock } from './encode-block.js';

const words = fc.oneof(fc.string({ maxLength: 20 }), fc.constantFrom('', 'größer', '\u{1f600}', 'x'.repeat(300)));
const small = fc.nat(2 ** 32 - 1);
const whole = fc.oneof(fc.constant(0), fc.maxSafeInteger());
const some = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
/** Few values for what rows share, so that some do and some do not. */
const shared = fc.record({
  requestId: fc.constantFrom('', 'a', 'b'),
  endpoint: fc.constantFrom('late', 'other'),
  model: fc.constantFrom('', 'm'),
  modelVersion: fc.constantFrom('1', '2'),
  featureService: fc.constantFrom('', 's'),
  featureServiceDigest: fc.constantFrom('', 'd'.repeat(64)),
  featuresGiven: fc.boolean(),
  fallback: fc.boolean(),
  caller: fc.constantFrom('', 'me'),
  arm: fc.constantFrom('live', 'canary'),
  rolloutId: fc.constantFrom('', 'r'),
  rolloutStep: fc.nat(2),
  traceId: fc.constantFrom('', 't'),
  featuresUs: fc.nat(2),
  inferUs: fc.nat(2),
  cached: fc.boolean(),
  explained: fc.boolean(),
  payloadSampledOut: fc.boolean(),
});
const own = fc.record({
  predictionId: words,
  asOfMs: whole,
  answeredAtMs: whole,
  joinKey: words,
  stickyKey: words,
  requestJson: some,
  features: some,
  outputs: fc.array(fc.float({ noNaN: true }), { maxLength: 4 }),
  snapshot: small,
  latencyUs: small,
});
const request = fc.tuple(shared, fc.array(own, { minLength: 1, maxLength: 4 }));

it('is the message that the generated code makes, whatever rows share and whatever they do not', () => {
  fc.assert(
    fc.property(fc.array(request, { maxLength: 6 }), words, whole, (requests, walId, sequence) => {
      const predictions = requests.flatMap(([common, rows]) =>
        rows.map((one) => Prediction.create({ ...common, ...one })),
      );
      const snapshots = [Snapshot.fromPartial({ positions: [{ stream: 's', watermarkMs: 5 }] })];
      const expected = PredictionBlock.fromPartial({ walId, sequence: Math.abs(sequence), predictions, snapshots });
      const bytes = encodeBlock(walId, Math.abs(sequence), predictions, snapshots);
      expect(PredictionBlock.decode(bytes)).toEqual(PredictionBlock.decode(PredictionBlock.encode(expected).finish()));
    }),
    { numRuns: 500 },
  );
});

it('grows to any size, and nothing of a block is left in the next', () => {
  const large = Prediction.create({ predictionId: 'large', requestJson: Buffer.alloc(300_000, 'x') });
  const tiny = Prediction.create({ predictionId: 'tiny' });
  for (const predictions of [[large, tiny, large], [tiny], []])
    expect(PredictionBlock.decode(encodeBlock('w', 1, predictions, [])).predictions).toEqual(predictions);
});
