import type { ProofView } from '../views/audit.view.js';

export interface ProofStep {
  /** On which side of ours the hash of the path stands. */
  readonly side: 'left' | 'right';
  readonly sibling: string;
  /** SHA-256(0x01 || left || right), hex. */
  readonly hash: string;
}

/**
 * RFC 9162 section 2.1.3.2, recomputed in the browser: the leaf's hash from its bytes, then each step of the path. `holds` = the last hash is the root, and no step is left.
 */
export async function recompute(proof: ProofView): Promise<{ leafHash: string; steps: ProofStep[]; holds: boolean }> {
  const leafHash = await sha256(0, new TextEncoder().encode(proof.leaf));
  const steps: ProofStep[] = [];
  let [node, last, hash, long] = [proof.index, proof.size - 1, leafHash, false];
  for (const sibling of proof.path) {
    if (last === 0) long = true;
    const left = node % 2 === 1 || node === last;
    hash = await (left ? sha256(1, bytesOf(sibling), bytesOf(hash)) : sha256(1, bytesOf(hash), bytesOf(sibling)));
    // A last node without a sibling is passed upwards, to where it is a right child.
    if (left) while (node % 2 === 0 && node !== 0) [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
    [node, last] = [Math.floor(node / 2), Math.floor(last / 2)];
    steps.push({ side: left ? 'left' : 'right', sibling, hash });
  }
  return { leafHash, steps, holds: !long && last === 0 && hash === proof.root && leafHash === proof.leafHash };
}

async function sha256(prefix: number, ...parts: Uint8Array[]): Promise<string> {
  const bytes = new Uint8Array(1 + parts.reduce((sum, part) => sum + part.length, 0));
  bytes[0] = prefix;
  let at = 1;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
  return [...hash].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function bytesOf(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, i) => Number.parseInt(hex.slice(i * 2, i * 2 + 2), 16));
}
