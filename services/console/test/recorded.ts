import { type KeyObject, generateKeyPairSync } from 'node:crypto';
import {
  AuditEvent,
  GetInclusionProofRequest,
  ListAuditEntriesRequest,
  ListAuditEntriesResponse,
  Proof,
  TreeHead,
  VerifyAuditResponse,
} from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import {
  type ListDefinitionsRequest,
  ListDefinitionsResponse,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { rawPublicKey, signCheckpoint } from '#libs/merkle/checkpoint.js';
import { hashChildren, hashLeaf, inclusionPath } from '#libs/merkle/merkle-tree.js';
import type { Answers } from './browser.js';

const startedMs = Date.now();
const changedMs = Date.parse('2026-11-20T10:00:00Z');
const stream = (name: string, columns: [string, string][]) => ({
  kind: 'Stream',
  name,
  spec: {
    name,
    key: 'flight_id',
    eventTime: 'at',
    latenessMs: 0,
    schema: columns.map(([name, type]) => ({ name, type, nullable: name === 'origin' })),
    derive: [{ name: 'slot', expression: 'local_minute / 15', type: 'int32' }],
    expectations: [{ name: 'expect_column_values_to_be_between', arguments: { column: 'delay', max_value: 1440 } }],
    compatibility: 'backward',
    dataClasses: {},
  },
});

/** Two streams, a view and a service, as the registry keeps them. */
export const definitions = [
  stream('arrivals', [
    ['flight_id', 'string'],
    ['delay', 'int32'],
    ['origin', 'string'],
  ]),
  stream('departures', [
    ['flight_id', 'string'],
    ['origin', 'string'],
    ['distance', 'int32'],
  ]),
  {
    kind: 'FeatureView',
    name: 'airport-arrivals',
    spec: {
      name: 'airport-arrivals',
      source: 'arrivals',
      entity: [{ name: 'airport', column: 'destination' }],
      ttlMs: 30 * 86_400_000,
      features: [
        { name: 'late_rate_24h', aggregation: 'mean', value: 'delay >= 15 ? 1 : 0', windowMs: 86_400_000 },
        { name: 'count_1h', aggregation: 'count', value: '*', windowMs: 3_600_000 },
      ],
    },
  },
  {
    kind: 'FeatureService',
    name: 'departure-risk',
    spec: {
      name: 'departure-risk',
      spine: 'departures',
      items: [
        {
          view: 'airport-arrivals',
          as: 'at-origin',
          entity: [{ name: 'airport', expression: 'origin' }],
          features: ['late_rate_24h', 'count_1h'],
        },
        { request: [{ name: 'distance', expression: 'distance' }] },
      ],
    },
  },
];

export function listDefinitions({ kind, name }: ListDefinitionsRequest): ListDefinitionsResponse {
  const found = definitions.filter((one) => (kind === '' || one.kind === kind) && (name === '' || one.name === name));
  return ListDefinitionsResponse.fromPartial({
    definitions: found.map(({ kind, name, spec }) => ({
      kind,
      name,
      generation: 2,
      changedMs,
      specJson: Buffer.from(JSON.stringify(spec)),
    })),
  });
}

/** An audit log of `size` entries, with real hashes and a real signature. Every fifth was refused. */
export function auditLog(size: number): NonNullable<Answers['governance']> {
  const { privateKey } = generateKeyPairSync('ed25519');
  const leaves = Array.from({ length: size }, (_, i) => Buffer.from(JSON.stringify(eventOf(i))));
  const root = rootOf(leaves, 0, size);
  const entry = (index: number) => ({
    index,
    event: eventOf(index),
    leaf: leaves[index]!,
    leafHash: hashLeaf(leaves[index]!),
  });
  return {
    listAuditEntries: (asked: ListAuditEntriesRequest) => {
      const all = leaves.map((_, i) => entry(asked.newestFirst ? size - 1 - i : i));
      const like = all.filter(
        ({ event }) =>
          (asked.decision === '' || event.decision === asked.decision) &&
          (asked.actor === '' || event.actor === asked.actor) &&
          event.resource.startsWith(asked.resourcePrefix),
      );
      return ListAuditEntriesResponse.fromPartial({
        size,
        entries: like.slice(asked.fromIndex, asked.fromIndex + asked.limit),
      });
    },
    getTreeHead: () => TreeHead.fromPartial(headOf(size, root, privateKey)),
    getInclusionProof: ({ index }: GetInclusionProofRequest) =>
      Proof.fromPartial({
        size,
        root,
        leafHash: hashLeaf(leaves[index]!),
        path: inclusionPath(index, size).map(({ begin, end }) => rootOf(leaves, begin, end)),
      }),
    verifyAudit: () => VerifyAuditResponse.fromPartial({ ok: true, entries: size, heads: 12 }),
  };
}

function headOf(size: number, root: Buffer, key: KeyObject) {
  const checkpoint = signCheckpoint({ origin: 'millrace', size, root }, key);
  return { size, root, signedMs: Date.now(), checkpoint, publicKey: rawPublicKey(key).toString('base64') };
}

function eventOf(i: number): AuditEvent {
  const refused = i % 5 === 0;
  return AuditEvent.fromPartial({
    eventId: `event-${i}`,
    atMs: startedMs - 60_000 * (1_000 - i),
    service: 'registry',
    actor: refused ? 'stranger' : 'local-user',
    roles: refused ? [] : ['admin'],
    action: 'apply',
    resource: i % 2 === 0 ? `models/m${i}` : `endpoints/e${i}`,
    decision: refused ? 'deny' : 'allow',
    reason: refused ? 'one of the roles admin, service is needed' : 'role admin',
    outcome: refused ? '' : 'ok',
    details: i === 1 ? { version: '7' } : {},
  });
}

/** RFC 9162 section 2.1.1, as it is written there. */
function rootOf(leaves: readonly Buffer[], begin: number, end: number): Buffer {
  if (end - begin === 1) return hashLeaf(leaves[begin]!);
  let half = 1;
  while (half * 2 < end - begin) half *= 2;
  return hashChildren(rootOf(leaves, begin, begin + half), rootOf(leaves, begin + half, end));
}
