import { createHash } from 'node:crypto';

/** SHA-256: 32 bytes. */
export type Hash = Buffer;

/** A perfect subtree: covers the leaves [index * 2^level, (index + 1) * 2^level). */
export interface NodeId {
  readonly level: number;
  readonly index: number;
}

export interface TreeNode extends NodeId {
  readonly hash: Hash;
}

/** Leaves [begin, end) whose hash a proof has; begin is a multiple of the power of two that is not below their number. */
export interface LeafRange {
  readonly begin: number;
  readonly end: number;
}

/** RFC 9162 section 2.1.1: MTH of no entries = SHA-256(""). */
export const emptyRoot: Hash = createHash('sha256').digest();

/** RFC 9162 section 2.1.1: SHA-256(0x00 || entry). */
export function hashLeaf(entry: Uint8Array): Hash {
  return createHash('sha256').update(leafPrefix).update(entry).digest();
}

/** RFC 9162 section 2.1.1: SHA-256(0x01 || left || right). */
export function hashChildren(left: Uint8Array, right: Uint8Array): Hash {
  return createHash('sha256').update(nodePrefix).update(left).update(right).digest();
}

const leafPrefix = Buffer.from([0]);
const nodePrefix = Buffer.from([1]);

/** The perfect subtrees that a range is made of, from left to right: one for each 1 in the binary form of its length, at most 53. None for an empty range. */
export function subtreesOf({ begin, end }: LeafRange): NodeId[] {
  const nodes: NodeId[] = [];
  for (let at = begin; at < end;) {
    const level = floorLog2(end - at);
    nodes.push({ level, index: at / 2 ** level });
    at += 2 ** level;
  }
  return nodes;
}

/** MTH of a range from the hashes of `subtreesOf` it, in that order; of none: the empty root. */
export function foldSubtrees(hashes: readonly Hash[]): Hash {
  if (hashes.length === 0) return emptyRoot;
  return hashes.reduceRight((right, left) => hashChildren(left, right));
}

/**
 * RFC 9162 section 2.1.3.1: what the path of leaf `index` in a tree of `size` leaves is made of, from the leaf upwards; at most ceil(log2 size).
 * Throws RangeError unless 0 <= index < size.
 */
export function inclusionPath(index: number, size: number): LeafRange[] {
  if (!isCount(index) || !isCount(size) || index >= size)
    throw new RangeError(`index ${index} is not below the tree's size ${size}`);
  const path: LeafRange[] = [];
  for (let [begin, end] = [0, size]; end - begin > 1;) {
    const middle = begin + splitOf(end - begin);
    if (index < middle) {
      path.push({ begin: middle, end });
      end = middle;
    } else {
      path.push({ begin, end: middle });
      begin = middle;
    }
  }
  return path.toReversed();
}

/**
 * RFC 9162 section 2.1.4.1: what the proof that the tree of `first` leaves is a prefix of the tree of `second` leaves is made of; empty where they are equal.
 * Throws RangeError unless 1 <= first <= second.
 */
export function consistencyPath(first: number, second: number): LeafRange[] {
  if (!isCount(first) || !isCount(second) || first < 1 || first > second)
    throw new RangeError(`sizes ${first} and ${second}: the first must be 1 or more, and not over the second`);
  const path: LeafRange[] = [];
  let [begin, end] = [0, second];
  while (first !== end) {
    const middle = begin + splitOf(end - begin);
    if (first <= middle) {
      path.push({ begin: middle, end });
      end = middle;
    } else {
      path.push({ begin, end: middle });
      begin = middle;
    }
  }
  // The verifier has the root of the first tree, and so the hash of [0, first) already.
  if (begin !== 0) path.push({ begin, end });
  return path.toReversed();
}

/** A growing tree as the O(log n) roots of its perfect subtrees. */
export class CompactRange {
  private readonly nodes: TreeNode[];
  private leaves: number;

  /** @param nodes what is at `subtreesOf({begin: 0, end: size})`, in that order */
  constructor(size = 0, nodes: readonly TreeNode[] = []) {
    this.leaves = size;
    this.nodes = [...nodes];
  }

  get size(): number {
    return this.leaves;
  }

  /** @returns the subtrees that this leaf has completed, from the leaf itself upwards */
  append(leafHash: Hash): TreeNode[] {
    let node: TreeNode = { level: 0, index: this.leaves, hash: leafHash };
    const completed = [node];
    while (this.nodes.at(-1)?.level === node.level) {
      const left = this.nodes.pop()!;
      node = { level: node.level + 1, index: left.index / 2, hash: hashChildren(left.hash, node.hash) };
      completed.push(node);
    }
    this.nodes.push(node);
    this.leaves += 1;
    return completed;
  }

  root(): Hash {
    return foldSubtrees(this.nodes.map(({ hash }) => hash));
  }
}

/** Largest power of two below n; n > 1. */
function splitOf(n: number): number {
  return 2 ** floorLog2(n - 1);
}

/** Exact for whole numbers from 1 to 2^53 - 1, which Math.log2 alone is not. */
function floorLog2(n: number): number {
  const high = Math.floor(n / 2 ** 32);
  return high > 0 ? 63 - Math.clz32(high) : 31 - Math.clz32(n);
}

function isCount(n: number): boolean {
  return Number.isSafeInteger(n) && n >= 0;
}
