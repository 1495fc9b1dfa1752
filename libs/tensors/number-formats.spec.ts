import { expect, it } from '@jest/globals';
import fc from 'fast-check';
import { brainFloat, halfFloat, numberFormats } from './number-formats.js';

it.each([
  [0x0000, 0],
  [0x3c00, 1],
  [0xc000, -2],
  [0x7bff, 65_504], // the largest
  [0x0001, 2 ** -24], // the smallest above 0
  [0x03ff, (1_023 / 1_024) * 2 ** -14], // the largest of those without a leading 1
  [0x7c00, Number.POSITIVE_INFINITY],
  [0xfc00, Number.NEGATIVE_INFINITY],
  [0x3555, 0.333251953125],
])('binary16 %i is %d', (bits, value) => expect(halfFloat(bits)).toBe(value));

it('binary16 and bfloat16 have NaN, and a zero below 0', () => {
  for (const value of [halfFloat(0x7e00), brainFloat(0x7fc0)]) expect(value).toBeNaN();
  for (const value of [halfFloat(0x8000), brainFloat(0x8000)]) expect(Object.is(value, -0)).toBe(true);
});

it('bfloat16 is the upper half of a binary32, and every one of both is exact in it', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 0xffff }), (bits) => {
      const float = Buffer.from([0, 0, bits & 0xff, bits >> 8]).readFloatLE(0);
      expect(brainFloat(bits)).toEqual(float);
      for (const value of [brainFloat(bits), halfFloat(bits)]) expect(Math.fround(value)).toEqual(value);
    }),
  );
});

it('each format reads as many bytes as it says', () => {
  for (const { bytes, read } of Object.values(numberFormats)) expect(read(Buffer.alloc(bytes), 0)).toBe(0);
});
