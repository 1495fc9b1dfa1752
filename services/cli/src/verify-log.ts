import {
  type GovernanceClient,
  ListAuditEntriesRequest,
  type Proof,
  type TreeHead,
} from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { openCheckpoint, publicKeyOf, type TreeState } from '#libs/merkle/checkpoint.js';
import { hashLeaf } from '#libs/merkle/merkle-tree.js';
import { verifyConsistency, verifyInclusion } from '#libs/merkle/verify-proof.js';
import type { Peer } from '#libs/rpc/grpc-client.js';

const deadlineMs = 30_000;

type Governance = Pick<Peer<GovernanceClient>, 'call'>;

/**
 * What can be told without trusting who keeps the log: the newest head's signature, that the newest entry is under it, and that an earlier tree is its beginning.
 * @param kept a checkpoint of before; undefined = the earlier tree is the first half of the log, as governance has it now
 * @returns the newest checkpoint ('' where nothing was ever signed), and what does not hold
 */
export async function checkLog(
  governance: Governance,
  kept: string | undefined,
): Promise<{ checkpoint: string; problems: string[] }> {
  const head = await newestHead(governance);
  if (head === undefined)
    return {
      checkpoint: '',
      problems: kept === undefined ? [] : ['the log is empty, and a checkpoint of it was kept'],
    };
  const problems: string[] = [];
  await collect(problems, async () => {
    const key = publicKeyOf(Buffer.from(head.publicKey, 'base64'));
    const newest = openCheckpoint(head.checkpoint, key);
    problems.push(...(await checkNewestEntry(governance, newest)));
    const earlier = kept === undefined ? await firstHalf(governance, newest) : openCheckpoint(kept, key);
    problems.push(...(await checkBeginning(governance, earlier, newest)));
  });
  return { checkpoint: head.checkpoint, problems };
}

async function newestHead(governance: Governance): Promise<TreeHead | undefined> {
  try {
    return await governance.call((stub) => stub.getTreeHead, { size: 0 }, deadlineMs);
  } catch (error) {
    if (error instanceof MillraceError && error.code === 'not-found') return undefined;
    throw error;
  }
}

async function checkNewestEntry(governance: Governance, { size, root }: TreeState): Promise<string[]> {
  const index = size - 1;
  const request = ListAuditEntriesRequest.fromPartial({ fromIndex: index, limit: 1 });
  const { entries } = await governance.call((stub) => stub.listAuditEntries, request, deadlineMs);
  const entry = entries.find((one) => one.index === index);
  if (entry === undefined) return [`entry ${index} is not there, and the head of size ${size} was signed with it`];
  const { path } = await governance.call((stub) => stub.getInclusionProof, { index, size }, deadlineMs);
  if (verifyInclusion(hashLeaf(entry.leaf), index, size, path, root)) return [];
  return [`entry ${index}: its bytes are not under the signed head of size ${size}`];
}

/** The tree of half the size, by the root that governance gives it. */
async function firstHalf(governance: Governance, { origin, size }: TreeState): Promise<TreeState> {
  const half = Math.ceil(size / 2);
  return { origin, size: half, root: (await consistency(governance, half, half)).root };
}

async function checkBeginning(governance: Governance, earlier: TreeState, newest: TreeState): Promise<string[]> {
  if (earlier.origin !== newest.origin)
    return [`the checkpoint is of ${earlier.origin}, and this log is ${newest.origin}`];
  if (earlier.size > newest.size)
    return [`the checkpoint has ${earlier.size} entries, and the log ${newest.size}: its tail was cut off`];
  const { path } = await consistency(governance, earlier.size, newest.size);
  if (verifyConsistency(earlier.size, newest.size, path, earlier.root, newest.root)) return [];
  return [`entries 0 to ${earlier.size - 1} are not what they were when the tree had ${earlier.size} entries`];
}

function consistency(governance: Governance, first: number, second: number): Promise<Proof> {
  return governance.call((stub) => stub.getConsistencyProof, { first, second }, deadlineMs);
}

/** A checkpoint that does not open is what was looked for, and no failure of the command. */
async function collect(problems: string[], work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== 'failed-precondition') throw error;
    problems.push(error.message);
  }
}
