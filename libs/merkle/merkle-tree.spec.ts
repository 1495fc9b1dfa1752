import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  CompactRange,
  consistencyPath,
  emptyRoot,
  foldSubtrees,
  type Hash,
  hashChildren,
  hashLeaf,
  inclusionPath,
  type LeafRange,
  subtreesOf,
} from './merkle-tree.js';
import { verifyConsistency, verifyInclusion } from './verify-proof.js';

/** Leaves and roots of transparency-dev/merkle, testonly/constants.go (beginnings and ends of the roots). */
const vectorLeaves = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
];
const vectorRoots = [
  /^6e340b9c.*fa01d$/,
  /^fac54203.*3c125$/,
  /^aeb6bcfe.*06e77$/,
  /^d37ee418.*614b7$/,
  /^4e3bbb1f.*264d4$/,
  /^76e67dad.*087ef$/,
  /^ddb89be4.*74c8c$/,
  /^5dc9da79.*04328$/,
];

const leafHashes = (count: number): Hash[] =>
  Array.from({ length: count }, (_, i) => hashLeaf(Buffer.from(`entry ${i}`)));

/** MTH as RFC 9162 section 2.1.1 writes it down. */
function bruteForceRoot(leaves: readonly Hash[]): Hash {
  if (leaves.length === 0) return emptyRoot;
  if (leaves.length === 1) return leaves[0]!;
  const k = split(leaves.length);
  return hashChildren(bruteForceRoot(leaves.slice(0, k)), bruteForceRoot(leaves.slice(k)));
}

/** PATH(m, D) of section 2.1.3.1. */
function bruteForcePath(m: number, leaves: readonly Hash[]): Hash[] {
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  return m < k
    ? [...bruteForcePath(m, leaves.slice(0, k)), bruteForceRoot(leaves.slice(k))]
    : [...bruteForcePath(m - k, leaves.slice(k)), bruteForceRoot(leaves.slice(0, k))];
}

/** SUBPROOF(m, D, b) of section 2.1.4.1. */
function bruteForceSubproof(m: number, leaves: readonly Hash[], whole: boolean): Hash[] {
  if (m === leaves.length) return whole ? [] : [bruteForceRoot(leaves)];
  const k = split(leaves.length);
  return m <= k
    ? [...bruteForceSubproof(m, leaves.slice(0, k), whole), bruteForceRoot(leaves.slice(k))]
    : [...bruteForceSubproof(m - k, leaves.slice(k), false), bruteForceRoot(leaves.slice(0, k))];
}

function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}

/** A tree of so many leaves, and proofs out of its stored subtrees. */
function grow(leaves: readonly Hash[]) {
  const tree = new CompactRange();
  const stored = new Map<string, Hash>();
  for (const leaf of leaves)
    for (const { level, index, hash } of tree.append(leaf)) stored.set(`${level}/${index}`, hash);
  const hashOf = (range: LeafRange): Hash =>
    foldSubtrees(subtreesOf(range).map(({ level, index }) => stored.get(`${level}/${index}`)!));
  return { tree, stored, hashOf };
}

describe('the tree', () => {
  it('has the roots of the published vectors', () => {
    expect(emptyRoot.toString('hex')).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855');
    expect(hashLeaf(Buffer.from('L123456')).toString('hex')).toMatch(/^395aa064.*4d56$/);
    expect(hashChildren(Buffer.from('N123'), Buffer.from('N456')).toString('hex')).toMatch(/^aa217fe8.*6bbb$/);
    const tree = new CompactRange();
    expect(tree.root()).toEqual(emptyRoot);
    for (const [i, leaf] of vectorLeaves.entries()) {
      tree.append(hashLeaf(Buffer.from(leaf, 'hex')));
      expect(tree.root().toString('hex')).toMatch(vectorRoots[i]!);
    }
  });

  it('has the root of the recursion at every size, also when it goes on from stored subtrees', () => {
    const leaves = leafHashes(70);
    const { stored, hashOf } = grow(leaves);
    for (let size = 0; size < leaves.length; size += 1) {
      expect(hashOf({ begin: 0, end: size })).toEqual(bruteForceRoot(leaves.slice(0, size)));
      const nodes = subtreesOf({ begin: 0, end: size }).map((id) => ({
        ...id,
        hash: stored.get(`${id.level}/${id.index}`)!,
      }));
      const resumed = new CompactRange(size, nodes);
      resumed.append(leaves[size]!);
      expect(resumed.root()).toEqual(bruteForceRoot(leaves.slice(0, size + 1)));
    }
  });

  it('splits ranges beyond 32 bits exactly', () => {
    const [first, ...rest] = subtreesOf({ begin: 0, end: 2 ** 53 - 1 });
    expect(first).toEqual({ level: 52, index: 0 });
    expect(rest).toHaveLength(52);
    expect(inclusionPath(0, 2 ** 33 + 1)).toHaveLength(34);
  });
});

describe('proofs', () => {
  const leaves = leafHashes(40);
  const { hashOf } = grow(leaves);

  it('of inclusion are those of the recursion, and hold, for every entry of every size', () => {
    for (let size = 1; size <= leaves.length; size += 1) {
      const part = leaves.slice(0, size);
      const root = bruteForceRoot(part);
      for (let index = 0; index < size; index += 1) {
        const path = inclusionPath(index, size).map(hashOf);
        expect(path).toEqual(bruteForcePath(index, part));
        expect(path.length).toBeLessThanOrEqual(Math.ceil(Math.log2(size)));
        expect(verifyInclusion(part[index]!, index, size, path, root)).toBe(true);
      }
    }
  });

  it('of consistency are those of the recursion, and hold, for every two sizes', () => {
    for (let second = 1; second <= leaves.length; second += 1)
      for (let first = 1; first <= second; first += 1) {
        const path = consistencyPath(first, second).map(hashOf);
        expect(path).toEqual(bruteForceSubproof(first, leaves.slice(0, second), true));
        const [firstRoot, secondRoot] = [first, second].map((size) => bruteForceRoot(leaves.slice(0, size))) as [
          Hash,
          Hash,
        ];
        expect(verifyConsistency(first, second, path, firstRoot, secondRoot)).toBe(true);
      }
  });

  it('do not hold for another leaf, another place, another size, or with a hash changed, more or less', () => {
    const place = fc
      .integer({ min: 2, max: 40 })
      .chain((size) => fc.tuple(fc.constant(size), fc.nat(size - 1), fc.nat()));
    fc.assert(
      fc.property(place, ([size, index, seed]) => {
        const root = hashOf({ begin: 0, end: size });
        const path = inclusionPath(index, size).map(hashOf);
        const leaf = leaves[index]!;
        expect(verifyInclusion(hashLeaf(Buffer.from('another')), index, size, path, root)).toBe(false);
        expect(verifyInclusion(leaf, (index + 1) % size, size, path, root)).toBe(false);
        expect(verifyInclusion(leaf, index, index, path, root)).toBe(false);
        expect(verifyInclusion(leaf, index, size, flipped(path, seed), root)).toBe(false);
        expect(verifyInclusion(leaf, index, size, path.slice(1), root)).toBe(false);
        expect(verifyInclusion(leaf, index, size, [...path, leaf], root)).toBe(false);
      }),
      { seed: 9162 },
    );
  });

  it('of consistency do not hold for a history that was changed', () => {
    const sizes = fc
      .integer({ min: 2, max: 40 })
      .chain((second) => fc.tuple(fc.integer({ min: 1, max: second - 1 }), fc.constant(second), fc.nat()));
    fc.assert(
      fc.property(sizes, ([first, second, seed]) => {
        const path = consistencyPath(first, second).map(hashOf);
        const changed = leaves.slice(0, second);
        changed[seed % first] = hashLeaf(Buffer.from('changed'));
        const honest = grow(changed);
        const [before, after] = [first, second].map((end) => hashOf({ begin: 0, end })) as [Hash, Hash];
        const rewritten = honest.hashOf({ begin: 0, end: second });
        const itsPath = consistencyPath(first, second).map(honest.hashOf);
        expect(verifyConsistency(first, second, itsPath, before, rewritten)).toBe(false);
        expect(verifyConsistency(first, second, path, before, rewritten)).toBe(false);
        expect(verifyConsistency(first, second, flipped(path, seed), before, after)).toBe(false);
        expect(verifyConsistency(first, second, [...path, before], before, after)).toBe(false);
        expect(verifyConsistency(first, second, [], before, after)).toBe(false);
      }),
      { seed: 9162 },
    );
  });

  it('are refused outside the tree', () => {
    expect(() => inclusionPath(5, 5)).toThrow('index 5 is not below the tree');
    expect(() => consistencyPath(0, 5)).toThrow('sizes 0 and 5');
    expect(() => consistencyPath(6, 5)).toThrow('sizes 6 and 5');
    expect(consistencyPath(5, 5)).toEqual([]);
    expect(verifyConsistency(0, 5, [], emptyRoot, emptyRoot)).toBe(false);
  });
});

function flipped(path: readonly Hash[], seed: number): Hash[] {
  const copy = path.map((hash) => Buffer.from(hash));
  const hash = copy[seed % copy.length]!;
  hash[seed % 32]! ^= 1 << (seed % 8);
  return copy;
}
