import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { HpackDecoder } from './hpack-decoder.js';
import { encodeHeaders } from './hpack-encoder.js';
import { lastStaticIndex, staticNames, staticValues } from './hpack-static-table.js';

const latin1 = fc
  .array(fc.integer({ min: 0, max: 255 }), { maxLength: 300 })
  .map((codes) => String.fromCharCode(...codes));
const name = fc.oneof(latin1, fc.constantFrom(...staticNames));
const value = fc.oneof(latin1, fc.constantFrom(...staticValues));

describe('what is encoded', () => {
  it('is decoded to the same list, and leaves nothing in the table', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(name, value), { maxLength: 12 }), (pairs) => {
        const decoder = new HpackDecoder(4096, 1 << 20);
        expect(decoder.decode(encodeHeaders(pairs.flat()))).toEqual(pairs.flat());
        expect(() => decoder.decode(Buffer.from([0x80 + lastStaticIndex + 1]))).toThrow('beyond the table');
      }),
    );
  });

  it('is one byte for a pair of the static table', () => {
    for (let index = 1; index <= lastStaticIndex; index++) {
      if (staticValues[index] === '') continue;
      expect(encodeHeaders([staticNames[index]!, staticValues[index]!])).toEqual(Buffer.from([0x80 + index]));
    }
  });

  it.each([
    [
      'the headers of an answer',
      [':status', '200', 'content-type', 'application/grpc'],
      '88 0f10 10',
      'application/grpc',
    ],
    ['a name that is in no table', ['grpc-status', '0'], '00 0b 677270632d737461747573 01', '0'],
    ['what must not be indexed', ['authorization', 'Bearer x'], '1f08 08', 'Bearer x'],
    ['nor as a cookie', ['set-cookie', 'a=b'], '1f28 03', 'a=b'],
  ])('%s', (_, list, head, tail) => {
    const expected = Buffer.concat([Buffer.from(head.replaceAll(' ', ''), 'hex'), Buffer.from(tail)]);
    expect(encodeHeaders(list)).toEqual(expected);
  });

  it('is nothing for nothing', () => {
    expect(encodeHeaders([])).toHaveLength(0);
  });

  it('has lengths of more than 127 and 16,383', () => {
    for (const length of [126, 127, 128, 254, 255, 16_383, 16_510, 16_511, 100_000]) {
      const list = ['x', 'v'.repeat(length)];
      expect(new HpackDecoder(4096, 1 << 20).decode(encodeHeaders(list))).toEqual(list);
    }
  });
});
