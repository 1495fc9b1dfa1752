import { type Hash, hashChildren } from './merkle-tree.js';

/**
 * RFC 9162 section 2.1.3.2: whether the leaf is entry `index` of the tree of `size` leaves with this root. False for anything that does not fit, an index that is not in the
 * tree and a path that is too long or too short included.
 */
export function verifyInclusion(
  leafHash: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
  root: Hash,
): boolean {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return false;
  const walk = new Walk(index, size - 1);
  let hash: Hash = Buffer.from(leafHash);
  for (const sibling of path) {
    if (walk.atRoot) return false;
    hash = walk.siblingIsLeft() ? hashChildren(sibling, hash) : hashChildren(hash, sibling);
    walk.up();
  }
  return walk.atRoot && hash.equals(root);
}

/**
 * RFC 9162 section 2.1.4.2: whether the tree of `first` leaves is a prefix of the tree of `second` leaves. False for sizes outside 1 <= first <= second: nothing is
 * consistent with an empty tree by a proof.
 */
export function verifyConsistency(
  first: number,
  second: number,
  path: readonly Uint8Array[],
  firstRoot: Hash,
  secondRoot: Hash,
): boolean {
  if (!Number.isSafeInteger(first) || !Number.isSafeInteger(second) || first < 1 || first > second) return false;
  if (first === second) return path.length === 0 && firstRoot.equals(secondRoot);
  const walk = new Walk(first - 1, second - 1);
  walk.skipRightChildren();
  const [start, ...rest] = walk.startsAtRootOfFirst ? [firstRoot, ...path] : path;
  if (start === undefined || path.length === 0) return false;
  let [firstHash, secondHash]: [Hash, Hash] = [Buffer.from(start), Buffer.from(start)];
  for (const sibling of rest) {
    if (walk.atRoot) return false;
    if (walk.siblingIsLeft()) {
      firstHash = hashChildren(sibling, firstHash);
      secondHash = hashChildren(sibling, secondHash);
    } else {
      secondHash = hashChildren(secondHash, sibling);
    }
    walk.up();
  }
  return walk.atRoot && firstHash.equals(firstRoot) && secondHash.equals(secondRoot);
}

/** `fn` and `sn` of the RFC: a node and the last node of its level, on the way up. */
class Walk {
  constructor(
    private node: number,
    private last: number,
  ) {}

  get atRoot(): boolean {
    return this.last === 0;
  }

  /** After skipRightChildren: the first tree is one perfect subtree, at the left edge. */
  get startsAtRootOfFirst(): boolean {
    return this.node === 0;
  }

  skipRightChildren(): void {
    while (this.node % 2 === 1) this.up();
  }

  /** A last node without a sibling is passed upwards, to where it is a right child. */
  siblingIsLeft(): boolean {
    if (this.node % 2 === 1) return true;
    if (this.node !== this.last) return false;
    while (this.node % 2 === 0 && this.node !== 0) this.up();
    return true;
  }

  up(): void {
    this.node = Math.floor(this.node / 2);
    this.last = Math.floor(this.last / 2);
  }
}
