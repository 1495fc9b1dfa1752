import type { KeyObject } from 'node:crypto';
import type { Pool } from 'pg';
import type { VerifyAuditResponse } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { openCheckpoint } from '#libs/merkle/checkpoint.js';
import { AuditVerifier, type StoredHead } from '../domain/audit-verifier.js';
import { readAudit } from '../outbound/audit-reader.store.js';
import { auditOrigin } from '../outbound/audit.store.js';

const batch = 8_192;

/** Reads the whole log as it is at one moment and recomputes it from the bytes of its entries. */
export function verifyAudit(pool: Pool, publicKey: KeyObject): Promise<VerifyAuditResponse> {
  return readAudit(pool, async (log) => {
    const heads = (await log.heads()).map((head): StoredHead => ({ ...head, problem: problemOf(head, publicKey) }));
    const verifier = new AuditVerifier(heads);
    const end = Math.max(await log.size(), verifier.signedSize);
    let computable = true;
    for (let begin = 0; begin < end && computable; begin += batch) {
      const until = Math.min(end, begin + batch);
      const [entries, subtrees] = [await log.entries(begin, until), await log.subtrees(begin, until)];
      for (let index = begin; index < until && computable; index += 1)
        computable = verifier.next(entries.get(index), subtrees);
    }
    verifier.finish();
    return { ok: verifier.ok, entries: verifier.entries, heads: heads.length, problems: verifier.problems };
  });
}

function problemOf(
  { size, root, checkpoint }: { size: number; root: Buffer; checkpoint: string },
  publicKey: KeyObject,
) {
  try {
    const said = openCheckpoint(checkpoint, publicKey);
    const same = said.origin === auditOrigin && said.size === size && said.root.equals(root);
    return same ? undefined : 'its checkpoint was signed over another size or root';
  } catch (error) {
    return errorMessage(error);
  }
}
