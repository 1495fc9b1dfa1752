import { parseArgs } from 'node:util';
import {
  CompactRange,
  consistencyPath,
  foldSubtrees,
  type Hash,
  hashLeaf,
  inclusionPath,
  type LeafRange,
  subtreesOf,
} from '#libs/merkle/merkle-tree.js';
import { verifyConsistency, verifyInclusion } from '#libs/merkle/verify-proof.js';
import { print } from './load-test.js';

/** How large and how slow is a proof over a million audit entries? In memory: the tree and its proofs, without Postgres. */
const { values } = parseArgs({
  options: {
    entries: { type: 'string', default: '1000000' },
    proofs: { type: 'string', default: '10000' },
    json: { type: 'boolean', default: false },
  },
});
const [size, proofs] = [Number(values.entries), Number(values.proofs)];
const tree = new CompactRange();
const stored: Hash[][] = [];
const leaves: Hash[] = [];
const appendStarted = performance.now();
for (let i = 0; i < size; i += 1) {
  const leaf = hashLeaf(Buffer.from(`{"action":"apply","actor":"someone","eventId":"${i}","resource":"endpoints/e"}`));
  leaves.push(leaf);
  for (const { level, hash } of tree.append(leaf)) (stored[level] ??= []).push(hash);
}
const appendMs = performance.now() - appendStarted;
const root = tree.root();
const hashOf = (range: LeafRange): Hash =>
  foldSubtrees(subtreesOf(range).map(({ level, index }) => stored[level]![index]!));

function measure(prove: (at: number) => { path: Hash[]; holds: () => boolean }) {
  let [proveMs, verifyMs, most] = [0, 0, 0];
  for (let i = 0; i < proofs; i += 1) {
    const at = Math.floor((i * size) / proofs);
    const begun = performance.now();
    const { path, holds } = prove(at);
    const made = performance.now();
    if (!holds()) throw new Error(`the proof at ${at} does not hold`);
    proveMs += made - begun;
    verifyMs += performance.now() - made;
    most = Math.max(most, path.length);
  }
  const micros = (ms: number) => Math.round((ms * 10_000) / proofs) / 10;
  return {
    hashesAtMost: most,
    bytesAtMost: most * 32,
    proveMicroseconds: micros(proveMs),
    verifyMicroseconds: micros(verifyMs),
  };
}

const inclusion = measure((index) => {
  const path = inclusionPath(index, size).map(hashOf);
  return { path, holds: () => verifyInclusion(leaves[index]!, index, size, path, root) };
});
const consistency = measure((at) => {
  const first = at + 1;
  const [path, before] = [consistencyPath(first, size).map(hashOf), hashOf({ begin: 0, end: first })];
  return { path, holds: () => verifyConsistency(first, size, path, before, root) };
});
print(values.json, {
  entries: size,
  appendedPerSecond: Math.round((size * 1_000) / appendMs),
  ...Object.fromEntries(Object.entries(inclusion).map(([name, value]) => [`inclusion ${name}`, value])),
  ...Object.fromEntries(Object.entries(consistency).map(([name, value]) => [`consistency ${name}`, value])),
});
