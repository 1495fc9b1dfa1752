import { expect, it } from '@jest/globals';
import { PredictionBlock } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { float32Bytes } from '#libs/tensors/tensor-codec.js';
import { expandRows } from './expand-rows.js';

const shared = { endpoint: 'late', modelVersion: '3', requestId: 'r', featuresGiven: true };
const block = (...rows: object[]) =>
  PredictionBlock.decode(
    PredictionBlock.encode(
      PredictionBlock.fromPartial({ walId: 'w', sequence: 7, predictions: [{ predictionId: 'w-7-0' }], rows }),
    ).finish(),
  );
const packed = {
  shared,
  first: 1,
  rows: 2,
  features: float32Bytes(Float32Array.of(1, 2, 3, 4)),
  outputs: float32Bytes(Float32Array.of(0.5, 0.25)),
};

it('packed rows become predictions behind the others, each with its id, vector and score', () => {
  const { predictions, rows } = expandRows(block(packed));
  expect(rows).toEqual([]);
  expect(predictions.map(({ predictionId }) => predictionId)).toEqual(['w-7-0', 'w-7-1', 'w-7-2']);
  expect(predictions[2]).toMatchObject({ ...shared, outputs: [0.25], features: float32Bytes(Float32Array.of(3, 4)) });
});

it('rows whose vectors were not logged have none, and no rows are no predictions', () => {
  expect(expandRows(block({ ...packed, features: Buffer.alloc(0) })).predictions[1]!.features).toHaveLength(0);
  expect(expandRows(block({ shared, first: 0, rows: 0 })).predictions).toHaveLength(1);
  const without = PredictionBlock.create({ walId: 'w' });
  expect(expandRows(without)).toBe(without);
});

it('rows that are like others have what is theirs and no more, and the rest of those', () => {
  const like = { shared: { requestId: 'r2', latencyUs: 5 }, first: 3, rows: 1, like: 1, outputs: Buffer.alloc(4) };
  const { predictions } = expandRows(block(packed, like));
  expect(predictions[2]).toMatchObject({ requestId: 'r', latencyUs: 0 });
  expect(predictions[3]).toMatchObject({
    ...shared,
    predictionId: 'w-7-3',
    requestId: 'r2',
    latencyUs: 5,
    outputs: [0],
  });
});

it.each([1, 2, 3, 4_000_000_000])(
  'rows that are like rows %s, which are not whole, make a block unreadable',
  (like) => {
    const [first, second] = [
      { ...packed, like: 2 },
      { ...packed, like },
    ];
    expect(() => expandRows(block(first, second))).toThrow(/^like: \d+ names no rows that are whole$/);
  },
);

it.each([
  ['more rows than outputs', { rows: 4_000_000_000 }],
  ['vectors that are no whole numbers of floats', { features: Buffer.alloc(7) }],
  ['no shared part', { shared: undefined }],
])('%s make a block unreadable', (_, wrong) => {
  expect(() => expandRows(block({ ...packed, ...wrong }))).toThrow(/^rows: \d+ rows with/);
});
