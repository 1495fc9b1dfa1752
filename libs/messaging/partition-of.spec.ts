import { describe, expect, it } from '@jest/globals';
import { partitionOf } from './partition-of.js';

describe('partitionOf', () => {
  // Values of org.apache.kafka.common.utils.Utils.murmur2, as its own unit test has them.
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
  ])('agrees with the Java client for %s', (key, hash) => {
    expect(partitionOf(Buffer.from(key), 1_000_003)).toBe((hash & 0x7fffffff) % 1_000_003);
  });

  it('sends a record without key to partition 0', () => {
    expect(partitionOf(null, 4)).toBe(0);
  });
});
