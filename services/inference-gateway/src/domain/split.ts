/** Seed of the hash: any constant does, as long as it stays. */
const seed = 0;
const range = 2 ** 32;

/**
 * Whether the candidate answers a key, the same on every gateway and for as long as the rollout lasts: murmur3 of the UTF-8 bytes of `<rolloutId>/<stickyKey>`,
 * mapped to [0, 100), is below `percent`. A larger percent only adds keys. Another rollout splits afresh, so nobody is always the first to meet a new version.
 * @param stickyKey empty = no key: the live version answers
 * @param percent 0..100; 0 = no key, 100 = every key that is not empty
 */
export function answers(rolloutId: string, stickyKey: string, percent: number): boolean {
  if (stickyKey === '' || percent <= 0) return false;
  return (murmur3(Buffer.from(`${rolloutId}/${stickyKey}`), seed) / range) * 100 < percent;
}

/**
 * MurmurHash3_x86_32 by Austin Appleby (public domain, smhasher/src/MurmurHash3.cpp): every bit of the input changes each bit of the output with a chance of
 * about one half, which a share of keys that differ in their last digit only relies on.
 * @returns 0 .. 2^32 - 1; of empty input with seed 0 it is 0
 */
export function murmur3(bytes: Buffer, from: number): number {
  const whole = bytes.length & ~3;
  let hash = from;
  for (let i = 0; i < whole; i += 4) {
    hash ^= scrambled(bytes.readInt32LE(i));
    hash = (Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let i = bytes.length - 1; i >= whole; i--) tail = (tail << 8) | bytes[i]!;
  hash ^= scrambled(tail);
  return finished(hash ^ bytes.length);
}

function scrambled(block: number): number {
  const product = Math.imul(block, 0xcc9e2d51);
  return Math.imul((product << 15) | (product >>> 17), 0x1b873593);
}

function finished(hash: number): number {
  let mixed = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
