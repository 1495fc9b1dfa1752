import { CompactRange, type Hash, hashLeaf, type TreeNode } from '#libs/merkle/merkle-tree.js';

export interface StoredEntry {
  readonly index: number;
  readonly leaf: Buffer;
  readonly leafHash: Hash;
}

export interface StoredHead {
  readonly size: number;
  readonly root: Hash;
  /** Why its checkpoint does not hold; undefined = it is signed by the log's key, and says this size and root. */
  readonly problem?: string | undefined;
}

const maxProblems = 20;

/**
 * Holds entries, in order, against what was written when they came: their hashes, the subtrees above them, the signed heads. The tree is built of the hashes as they were written where
 * an entry is not what it was, so that each change is named once, and a head that differs all the same tells of a change to both.
 */
export class AuditVerifier {
  readonly problems: string[] = [];
  private count = 0;
  private readonly tree = new CompactRange();
  private readonly changed = new Map<string, number>();
  private readonly found: { readonly index: number; readonly hash: string }[] = [];
  private readonly heads: ReadonlyMap<number, StoredHead>;
  private readonly newest: number;
  private lastGood = 0;
  private headFailed = false;

  constructor(heads: readonly StoredHead[]) {
    this.heads = new Map(heads.map((head) => [head.size, head]));
    this.newest = heads.reduce((size, head) => Math.max(size, head.size), 0);
    for (const { size, problem } of heads) if (problem !== undefined) this.report(`head of size ${size}: ${problem}`);
  }

  get entries(): number {
    return this.count;
  }

  /** How far the log goes, by the heads: entries that are missing up to here were removed. */
  get signedSize(): number {
    return this.newest;
  }

  get ok(): boolean {
    return this.problems.length === 0;
  }

  /**
   * The next index, for every index from 0.
   * @param entry undefined = it is not there
   * @param subtrees stored hash by `<level>/<index>`, of all subtrees that end with this index
   * @returns false = without this entry's hash nothing above it can be computed
   */
  next(entry: StoredEntry | undefined, subtrees: ReadonlyMap<string, Hash>): boolean {
    const index = this.tree.size;
    const written = subtrees.get(`0/${index}`);
    const hash = this.hashAt(index, entry, written);
    if (hash === undefined) return false;
    for (const node of this.tree.append(hash)) if (node.level > 0) this.checkSubtree(node, subtrees);
    this.checkHead(this.heads.get(this.tree.size));
    return true;
  }

  /** After the last entry: what only the whole shows. */
  finish(): void {
    const moved = this.found.filter(({ hash }) => this.changed.has(hash));
    for (const { index, hash } of moved)
      this.report(`entry ${index} holds what was written as entry ${this.changed.get(hash)}: they were reordered`);
    for (const { index, hash } of this.found)
      if (!this.changed.has(hash))
        this.report(`entry ${index} was edited: its bytes do not have the hash that was written with it`);
    if (this.tree.size > this.newest)
      this.report(
        `entries ${this.newest} to ${this.tree.size - 1} are under no signed head: they were inserted, or their head was removed`,
      );
  }

  private hashAt(index: number, entry: StoredEntry | undefined, written: Hash | undefined): Hash | undefined {
    if (entry === undefined) {
      this.report(`entry ${index} was removed: the head of size ${this.newest} was signed with it`);
      return written;
    }
    this.count += 1;
    const hash = hashLeaf(entry.leaf);
    if (written === undefined) this.report(`entry ${index}: its hash was removed from the tree`);
    const original = written ?? entry.leafHash;
    if (!hash.equals(original)) {
      this.found.push({ index, hash: hash.toString('hex') });
      this.changed.set(original.toString('hex'), index);
    } else if (!hash.equals(entry.leafHash)) {
      this.report(`entry ${index}: the hash beside it was edited, its bytes were not`);
    }
    return original;
  }

  private checkSubtree({ level, index, hash }: TreeNode, subtrees: ReadonlyMap<string, Hash>): void {
    const stored = subtrees.get(`${level}/${index}`);
    if (stored?.equals(hash)) return;
    const [from, to] = [index * 2 ** level, (index + 1) * 2 ** level - 1];
    this.report(
      `subtree ${level}/${index} over entries ${from} to ${to} was ${stored === undefined ? 'removed' : 'edited'}`,
    );
  }

  /** The first head that differs bounds the change; those after it differ for the same reason. */
  private checkHead(head: StoredHead | undefined): void {
    if (head === undefined) return;
    if (this.tree.root().equals(head.root)) {
      this.lastGood = head.size;
    } else if (!this.headFailed) {
      this.headFailed = true;
      const entries = `entries ${this.lastGood} to ${head.size - 1}`;
      this.report(
        `head of size ${head.size}: ${entries} do not give the root that was signed: one of them was changed with its hashes, or the head was`,
      );
    }
  }

  private report(problem: string): void {
    if (this.problems.length < maxProblems) this.problems.push(problem);
  }
}
