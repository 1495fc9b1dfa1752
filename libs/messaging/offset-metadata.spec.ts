import { describe, expect, it } from '@jest/globals';
import { decodeOffsetMetadata, encodeOffsetMetadata } from './offset-metadata.js';

describe('offset metadata', () => {
  it.each([
    { pending: undefined, carried: '' },
    { pending: { first: 0, last: 62 }, carried: '' },
    { pending: { first: 7, last: 7 }, carried: 'a1:12,b2:9|x' },
    { pending: undefined, carried: '9007199254740991' },
  ])('reads back what it wrote: %j', (metadata) => {
    expect(decodeOffsetMetadata(encodeOffsetMetadata(metadata))).toEqual(metadata);
  });

  it('takes absent metadata as an empty state', () => {
    expect(decodeOffsetMetadata(null)).toEqual({ pending: undefined, carried: '' });
    expect(decodeOffsetMetadata('')).toEqual({ pending: undefined, carried: '' });
  });

  it('refuses what it did not write, for guessing would lose or double records', () => {
    expect(() => decodeOffsetMetadata('0-62')).toThrow('not ours');
  });

  it('refuses carried state that the broker would refuse', () => {
    expect(() => encodeOffsetMetadata({ pending: undefined, carried: 'x'.repeat(3_001) })).toThrow('at most 3000');
  });
});
