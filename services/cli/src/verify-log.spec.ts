import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import type { GovernanceClient } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { rawPublicKey, signCheckpoint } from '#libs/merkle/checkpoint.js';
import {
  CompactRange,
  consistencyPath,
  emptyRoot,
  type Hash,
  hashLeaf,
  inclusionPath,
  type LeafRange,
} from '#libs/merkle/merkle-tree.js';
import type { Peer } from '#libs/rpc/grpc-client.js';
import { checkLog } from './verify-log.js';

const { privateKey } = generateKeyPairSync('ed25519');
const origin = 'millrace/audit';

/** A log as governance serves it: of these leaves, signed by this key. */
function logOf(leaves: readonly string[], key: KeyObject = privateKey) {
  const hash = ({ begin, end }: LeafRange): Hash => {
    const tree = new CompactRange();
    for (const leaf of leaves.slice(begin, end)) tree.append(hashLeaf(Buffer.from(leaf)));
    return end > begin ? tree.root() : emptyRoot;
  };
  const size = leaves.length;
  const rootOf = (end: number) => hash({ begin: 0, end });
  const checkpoint = signCheckpoint({ origin, size, root: rootOf(size) }, key);
  const answers: Record<string, (request: Record<string, number>) => unknown> = {
    getTreeHead: () => {
      if (size === 0) throw new MillraceError('not-found', 'nothing was recorded yet');
      return { size, root: rootOf(size), checkpoint, publicKey: rawPublicKey(key).toString('base64') };
    },
    listAuditEntries: ({ fromIndex }) => ({ entries: [{ index: fromIndex, leaf: Buffer.from(leaves[fromIndex!]!) }] }),
    getInclusionProof: (request) => ({ path: inclusionPath(request['index']!, request['size']!).map(hash) }),
    getConsistencyProof: ({ first, second }) => ({
      path: consistencyPath(first!, second!).map(hash),
      root: rootOf(second!),
    }),
  };
  const names = new Proxy({}, { get: (_, name) => name });
  const call = async (method: (stub: never) => unknown, request: unknown) =>
    answers[method(names as never) as string]!(request as Record<string, number>);
  return { checkpoint, answers, governance: { call } as unknown as Pick<Peer<GovernanceClient>, 'call'> };
}

const leaves = Array.from({ length: 11 }, (_, i) => `{"n":${i}}`);

describe('a log, checked from outside', () => {
  it('holds at every size, alone and against every checkpoint of before', async () => {
    for (let size = 1; size <= leaves.length; size += 1) {
      const { governance, checkpoint } = logOf(leaves.slice(0, size));
      expect(await checkLog(governance, undefined)).toEqual({ checkpoint, problems: [] });
      for (let before = 1; before <= size; before += 1)
        expect((await checkLog(governance, logOf(leaves.slice(0, before)).checkpoint)).problems).toEqual([]);
    }
  });

  it('that was rewritten and signed again does not hold against a checkpoint that was kept', async () => {
    const kept = logOf(leaves.slice(0, 6)).checkpoint;
    const rewritten = logOf(leaves.with(2, '{"n":99}'));
    expect((await checkLog(rewritten.governance, undefined)).problems).toEqual([]);
    expect((await checkLog(rewritten.governance, kept)).problems).toEqual([
      expect.stringContaining('entries 0 to 5 are not what they were'),
    ]);
    const cut = logOf(leaves.slice(0, 4));
    expect((await checkLog(cut.governance, kept)).problems).toEqual([expect.stringContaining('its tail was cut off')]);
    expect((await checkLog(logOf([]).governance, kept)).problems).toEqual([
      expect.stringContaining('the log is empty'),
    ]);
    const { privateKey: another } = generateKeyPairSync('ed25519');
    expect((await checkLog(logOf(leaves, another).governance, kept)).problems).toEqual([
      expect.stringContaining('another key'),
    ]);
  });

  it('names the newest entry where its bytes are not under the head, and a signature that does not fit', async () => {
    const edited = logOf(leaves);
    edited.answers['listAuditEntries'] = () => ({ entries: [{ index: 10, leaf: Buffer.from('{"n":11}') }] });
    expect((await checkLog(edited.governance, undefined)).problems).toEqual([
      expect.stringContaining('entry 10: its bytes are not under'),
    ]);
    edited.answers['listAuditEntries'] = () => ({ entries: [] });
    expect((await checkLog(edited.governance, undefined)).problems).toEqual([
      expect.stringContaining('entry 10 is not there'),
    ]);
    const forged = logOf(leaves);
    const head = forged.answers['getTreeHead']!({}) as { checkpoint: string };
    forged.answers['getTreeHead'] = () => ({ ...head, checkpoint: head.checkpoint.replace('\n11\n', '\n12\n') });
    expect((await checkLog(forged.governance, undefined)).problems).toEqual([
      expect.stringContaining('signature of its text'),
    ]);
  });

  it('that is empty has nothing to check', async () => {
    expect(await checkLog(logOf([]).governance, undefined)).toEqual({ checkpoint: '', problems: [] });
  });
});
