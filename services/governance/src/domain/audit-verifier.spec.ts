import { describe, expect, it } from '@jest/globals';
import { CompactRange, type Hash, hashLeaf } from '#libs/merkle/merkle-tree.js';
import { AuditVerifier, type StoredEntry, type StoredHead } from './audit-verifier.js';

interface Log {
  readonly entries: Map<number, StoredEntry>;
  readonly subtrees: Map<string, Hash>;
  readonly heads: StoredHead[];
}

/** Ten entries, a head after each third and at the end. */
function record(): Log {
  const log: Log = { entries: new Map(), subtrees: new Map(), heads: [] };
  const tree = new CompactRange();
  for (let index = 0; index < 10; index += 1) {
    const leaf = Buffer.from(`{"n":${index}}`);
    log.entries.set(index, { index, leaf, leafHash: hashLeaf(leaf) });
    for (const { level, index: at, hash } of tree.append(hashLeaf(leaf))) log.subtrees.set(`${level}/${at}`, hash);
    if (index % 3 === 2 || index === 9) log.heads.push({ size: tree.size, root: tree.root() });
  }
  return log;
}

function problemsOf({ entries, subtrees, heads }: Log): string[] {
  const verifier = new AuditVerifier(heads);
  const end = Math.max(verifier.signedSize, ...[...entries.keys()].map((index) => index + 1));
  for (let index = 0; index < end && verifier.next(entries.get(index), subtrees); index += 1);
  verifier.finish();
  expect(verifier.ok).toBe(verifier.problems.length === 0);
  return verifier.problems;
}

function write(log: Log, index: number, text: string): Hash {
  const leaf = Buffer.from(text);
  log.entries.set(index, { index, leaf, leafHash: hashLeaf(leaf) });
  return hashLeaf(leaf);
}

describe('the verifier', () => {
  it('finds nothing in a log that nobody touched, and in an empty one', () => {
    expect(problemsOf(record())).toEqual([]);
    expect(problemsOf({ entries: new Map(), subtrees: new Map(), heads: [] })).toEqual([]);
  });

  it('names the one entry whose bytes were edited, with and without the hash beside them', () => {
    const edited = record();
    write(edited, 4, '{"n":99}');
    expect(problemsOf(edited)).toEqual([expect.stringContaining('entry 4 was edited')]);
    const hashOnly = record();
    hashOnly.entries.set(4, { ...hashOnly.entries.get(4)!, leafHash: Buffer.alloc(32) });
    expect(problemsOf(hashOnly)).toEqual([expect.stringContaining('entry 4: the hash beside it was edited')]);
  });

  it('names entries that were reordered', () => {
    const log = record();
    const [third, sixth] = [log.entries.get(3)!, log.entries.get(6)!];
    log.entries.set(3, { ...sixth, index: 3 }).set(6, { ...third, index: 6 });
    expect(problemsOf(log)).toEqual([
      'entry 3 holds what was written as entry 6: they were reordered',
      'entry 6 holds what was written as entry 3: they were reordered',
    ]);
  });

  it('names an entry that was removed, and each of a tail that was cut off', () => {
    const removed = record();
    removed.entries.delete(5);
    expect(problemsOf(removed)).toEqual(['entry 5 was removed: the head of size 10 was signed with it']);
    const cut = record();
    for (const index of [8, 9]) {
      cut.entries.delete(index);
      cut.subtrees.delete(`0/${index}`);
    }
    expect(problemsOf(cut)).toEqual(['entry 8 was removed: the head of size 10 was signed with it']);
  });

  it('bounds by heads an entry that was changed together with all hashes above it', () => {
    const log = record();
    const tree = new CompactRange();
    write(log, 4, '{"n":99}');
    for (const { leafHash } of log.entries.values())
      for (const { level, index, hash } of tree.append(leafHash)) log.subtrees.set(`${level}/${index}`, hash);
    expect(problemsOf(log)).toEqual([expect.stringContaining('head of size 6: entries 3 to 5')]);
  });

  it('finds a subtree that was edited, entries under no head, and a head that is not signed by the key', () => {
    const subtree = record();
    subtree.subtrees.set('2/1', Buffer.alloc(32));
    expect(problemsOf(subtree)).toEqual(['subtree 2/1 over entries 4 to 7 was edited']);
    const inserted = record();
    inserted.subtrees.set('0/10', write(inserted, 10, '{}'));
    expect(problemsOf(inserted)).toContainEqual(expect.stringContaining('entries 10 to 10 are under no signed head'));
    const forged = record();
    forged.heads[0] = { ...forged.heads[0]!, problem: 'signed by another key' };
    expect(problemsOf(forged)).toEqual(['head of size 3: signed by another key']);
  });

  it('reports no more than 20 problems', () => {
    const log = record();
    for (let index = 10; index < 60; index += 1) write(log, index, '{}');
    expect(problemsOf(log)).toHaveLength(20);
  });
});
