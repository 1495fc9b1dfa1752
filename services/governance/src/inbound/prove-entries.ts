import type { KeyObject } from 'node:crypto';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { openCheckpoint } from '#libs/merkle/checkpoint.js';
import { type Hash, hashLeaf, inclusionPath } from '#libs/merkle/merkle-tree.js';
import { verifyInclusion } from '#libs/merkle/verify-proof.js';
import type { StoredEntry } from '../domain/audit-verifier.js';
import type { AuditPart } from '../domain/trace-sources.js';
import { readAudit } from '../outbound/audit-reader.store.js';
import { auditOrigin, type AuditStore } from '../outbound/audit.store.js';

const maxEntries = 1_000;

/**
 * The newest entries about these resources, each held against the newest signed head by its inclusion proof: the bytes are hashed anew, the root is the one that was signed.
 * @param resources exact names, e.g. `rollouts/<id>`
 */
export async function proveEntries(
  store: AuditStore,
  resources: readonly string[],
  publicKey: KeyObject,
): Promise<AuditPart> {
  const { entries, count, signedSize } = await readAudit(store.pool, async (log) => ({
    entries: await log.about(resources, maxEntries + 1),
    count: await log.count(),
    signedSize: await log.signedSize(),
  }));
  const part = { more: entries.length > maxEntries, count, signedSize };
  const head = signedSize === 0 ? undefined : await store.head(signedSize);
  const { root, problem: headProblem } = head === undefined ? nothingSigned : opened(head.checkpoint, publicKey);
  const proved = await Promise.all(
    entries.slice(0, maxEntries).map(async (entry) => ({
      ...entry,
      problem: headProblem ?? (await inclusionProblem(store, entry, signedSize, root)),
    })),
  );
  return { ...part, entries: proved, headProblem };
}

const nothingSigned = { root: Buffer.alloc(0), problem: 'no head was signed yet' };

function opened(checkpoint: string, publicKey: KeyObject): { root: Hash; problem: string | undefined } {
  try {
    const { origin, root } = openCheckpoint(checkpoint, publicKey);
    return { root, problem: origin === auditOrigin ? undefined : `the newest head is of ${origin}` };
  } catch (error) {
    return { root: Buffer.alloc(0), problem: errorMessage(error) };
  }
}

async function inclusionProblem(
  store: AuditStore,
  { index, leaf }: StoredEntry,
  size: number,
  root: Hash,
): Promise<string | undefined> {
  if (index >= size) return `it is under no signed head; the newest has size ${size}`;
  const path = await store.hashes(inclusionPath(index, size));
  if (verifyInclusion(hashLeaf(leaf), index, size, path, root)) return undefined;
  return `its bytes are not under the signed head of size ${size}: it was edited`;
}
