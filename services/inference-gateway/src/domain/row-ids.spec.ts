import { expect, it } from '@jest/globals';
import { decodeRaw } from '#libs/tensors/tensor-codec.js';
import { rowIdBytes, rowIdTexts } from './row-ids.js';

it('ids of rows count on from the first, as texts and as BYTES alike', () => {
  expect(rowIdTexts({ block: 'a-7', first: 9 }, 3)).toEqual(['a-7-9', 'a-7-10', 'a-7-11']);
  for (const first of [0, 9, 95, 999, 123_456])
    for (const rows of [0, 1, 12]) {
      const ids = { block: '0a1b2c3d4e5f-12', first };
      const tensor = { name: 'prediction_id', datatype: 'BYTES', shape: [rows] };
      expect(decodeRaw('late', tensor, rowIdBytes(ids, rows), 1_000).values).toEqual(rowIdTexts(ids, rows));
    }
});
