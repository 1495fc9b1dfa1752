import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { randomUUID } from 'node:crypto';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { AuditEvent, ListAuditEntriesRequest } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { openCheckpoint, publicKeyOf } from '#libs/merkle/checkpoint.js';
import { hashLeaf } from '#libs/merkle/merkle-tree.js';
import { verifyConsistency, verifyInclusion } from '#libs/merkle/verify-proof.js';
import { KafkaMessageLog } from '#libs/messaging/kafka-message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { connectPostgres } from '#libs/storage/postgres.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { leafOf } from '../src/domain/audit-leaf.js';
import { governanceMetrics } from '../src/governance.metrics.js';
import { AuditConsumer } from '../src/inbound/audit.consumer.js';
import { GovernanceGrpc } from '../src/inbound/governance.grpc.js';
import type { ApprovalsHandlers } from '../src/inbound/approvals.handlers.js';
import type { TraceHandlers } from '../src/inbound/trace.handlers.js';
import { verifyAudit } from '../src/inbound/verify-audit.js';
import { AuditStore } from '../src/outbound/audit.store.js';
import { loadSigningKey } from '../src/outbound/signing-key.js';

const folder = mkdtempSync(join(tmpdir(), 'millrace-governance-'));
const key = loadSigningKey(folder);
const database = `governance_${randomUUID().slice(0, 8)}`;
const log = new Logger('governance', 'error');
let pool: Pool;
let store: AuditStore;
let rpc: GovernanceGrpc;

beforeAll(async () => {
  pool = await connectPostgres(getTestInfrastructure().POSTGRES_URL, database);
  store = new AuditStore(pool, key);
  await Promise.all([store.createTables(), store.createTables()]); // two processes may start at once
  rpc = new GovernanceGrpc(store, key, {} as TraceHandlers, {} as ApprovalsHandlers);
});
beforeEach(async () => {
  await pool.query('TRUNCATE entries, subtrees, heads');
});
afterAll(async () => {
  await pool.end();
  rmSync(folder, { recursive: true, force: true });
});

const event = (n: number, over: Partial<AuditEvent> = {}): AuditEvent =>
  AuditEvent.fromPartial({
    eventId: `event-${n}`,
    atMs: 1_700_000_000_000 + n,
    service: 'registry',
    actor: n % 2 === 0 ? 'ada' : 'bob',
    roles: ['engineer'],
    action: 'apply',
    resource: `endpoints/e${n}`,
    decision: n % 5 === 0 ? 'deny' : 'allow',
    details: { z: 'last', a: 'first \u0000' },
    ...over,
  });
const events = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => event(from + i));
const list = (over: Partial<ListAuditEntriesRequest>) => rpc.list(ListAuditEntriesRequest.fromPartial(over));

/** What others wrote before is read, and forgotten. */
async function passOver(messages: KafkaMessageLog): Promise<void> {
  const read = async () => String(await messages.committedOffsets('auditRecorded'));
  for (const untilMs = Date.now() + 30_000; (await read()) !== String(await messages.endOffsets('auditRecorded'));) {
    if (Date.now() > untilMs) throw new Error('what was on the topic is not read within 30 s');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await pool.query('TRUNCATE entries, subtrees, heads');
}

describe('an audit event', () => {
  it('becomes an entry once, however often it is delivered, in this chunk or another; what is unreadable becomes an entry that says so', async () => {
    const messages = new KafkaMessageLog(
      'governance',
      getTestInfrastructure().KAFKA_BROKERS.split(','),
      new Wiring(),
      log,
    );
    const consumer = new AuditConsumer(messages, store, governanceMetrics(new Metrics('test')), log);
    const encode = (one: AuditEvent) => ({
      key: Buffer.from(one.eventId),
      value: Buffer.from(AuditEvent.encode(one).finish()),
      headers: {},
    });
    try {
      await messages.ensureTopics([{ id: 'auditRecorded' }]);
      const publisher = messages.publisher('auditRecorded');
      await consumer.start();
      await passOver(messages);
      await publisher.publish([...events(0, 5), ...events(3, 8)].map(encode));
      await publisher.publish([{ key: null, value: Buffer.from([0xff]), headers: {} }]);
      await entriesReach(9);
      await publisher.publish([...events(0, 8), event(8)].map(encode));
      await entriesReach(10);
    } finally {
      await consumer.stop();
      await messages.close();
    }
    const { entries } = await list({});
    expect(entries.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(new Set(entries.map((entry) => entry.event?.eventId)).size).toBe(10);
    expect(entries.slice(0, 8).map((entry) => entry.event)).toEqual(events(0, 8));
    expect(entries[8]?.event?.eventId).toMatch(/^unreadable\//);
    expect(await verifyAudit(pool, key)).toMatchObject({ ok: true, entries: 10 });
  }, 60_000);

  it('is hashed as RFC 8785 JSON, and found by actor, decision and resource', async () => {
    await store.append(events(0, 12));
    const { entries, size } = await list({ actor: 'ada', decision: 'deny', resourcePrefix: 'endpoints/e1' });
    expect(size).toBe(12);
    expect(entries.map(({ index }) => index)).toEqual([10]);
    expect(entries[0]!.leaf.toString()).toMatch(
      /^\{"action":"apply","actor":"ada",.*"details":\{"a":"first \\u0000","z":"last"\}/,
    );
    expect(entries[0]!.leafHash).toEqual(hashLeaf(leafOf(event(10))));
    const newest = await list({ newestFirst: true, fromIndex: 2, limit: 3 });
    expect(newest.entries.map(({ index }) => index)).toEqual([9, 8, 7]);
    await expect(list({ limit: 1_001 })).rejects.toThrow('limit: 1001 is over 1000');
  });
});

describe('heads and proofs', () => {
  it('are signed after each chunk, with a key that only its owner reads, and prove every entry and every earlier head', async () => {
    expect(statSync(join(folder, 'tree-head.key.pem')).mode & 0o777).toBe(0o600);
    expect(loadSigningKey(folder).export({ format: 'jwk' })).toEqual(key.export({ format: 'jwk' }));
    for (const [from, to] of [
      [0, 3],
      [3, 4],
      [4, 11],
    ] as const)
      await store.append(events(from, to));
    const [first, newest] = [await rpc.treeHead({ size: 3 }), await rpc.treeHead({ size: 0 })];
    const opened = openCheckpoint(newest.checkpoint, publicKeyOf(Buffer.from(newest.publicKey, 'base64')));
    expect(opened).toEqual({ origin: 'millrace/audit', size: 11, root: newest.root });
    for (let index = 0; index < 11; index += 1) {
      const proof = await rpc.inclusionProof({ index, size: 0 });
      expect(verifyInclusion(hashLeaf(leafOf(event(index))), index, 11, proof.path, newest.root)).toBe(true);
    }
    const { path } = await rpc.consistencyProof({ first: 3, second: 0 });
    expect(verifyConsistency(3, 11, path, first.root, newest.root)).toBe(true);
  });

  it('that cannot be are refused with what would be right', async () => {
    await expect(rpc.treeHead({ size: 0 })).rejects.toMatchObject({ code: 'not-found' });
    await store.append(events(0, 3));
    await expect(rpc.treeHead({ size: 2 })).rejects.toThrow('size: no head of size 2 was signed');
    await expect(rpc.inclusionProof({ index: 3, size: 0 })).rejects.toThrow('index: 3 is not in a tree of size 3');
    await expect(rpc.inclusionProof({ index: 0, size: 4 })).rejects.toThrow(
      "size: 4 is over the newest signed head's size, 3",
    );
    await expect(rpc.consistencyProof({ first: 0, second: 3 })).rejects.toThrow('first: 0 has to be from 1');
  });
});

describe('VerifyAudit', () => {
  beforeEach(async () => {
    for (let from = 0; from < 20; from += 5) await store.append(events(from, from + 5));
  });
  const problems = async (): Promise<string[]> => {
    const { ok, problems: found } = await verifyAudit(pool, key);
    expect(ok).toBe(found.length === 0);
    return found;
  };

  it('finds nothing where nothing was changed', async () => {
    expect(await verifyAudit(pool, key)).toEqual({ ok: true, entries: 20, heads: 4, problems: [] });
  });

  it('names the entry of which one byte was changed', async () => {
    await pool.query('UPDATE entries SET leaf = set_byte(leaf, 20, get_byte(leaf, 20) # 1) WHERE index = 7');
    expect(await problems()).toEqual([expect.stringContaining('entry 7 was edited')]);
  });

  it('names the entry that was removed', async () => {
    await pool.query('DELETE FROM entries WHERE index = 7');
    expect(await problems()).toEqual([expect.stringContaining('entry 7 was removed')]);
  });

  it('names the entries of a tail that was cut off, also after the log went on', async () => {
    await pool.query('DELETE FROM entries WHERE index >= 18');
    const cut = [expect.stringContaining('entry 18 was removed'), expect.stringContaining('entry 19 was removed')];
    expect(await problems()).toEqual(cut);
    await store.append(events(20, 22));
    expect(await problems()).toEqual(cut);
  });

  it('names the entries that changed places', async () => {
    await pool.query(
      `UPDATE entries a SET leaf = b.leaf, leaf_hash = b.leaf_hash FROM entries b
       WHERE (a.index, b.index) IN ((3, 4), (4, 3))`,
    );
    expect(await problems()).toEqual([
      expect.stringContaining('entry 3 holds'),
      expect.stringContaining('entry 4 holds'),
    ]);
  });

  it('names a head that another key has signed', async () => {
    await pool.query(
      "UPDATE heads SET checkpoint = replace(checkpoint, 'millrace/audit', 'someone/else') WHERE size = 10",
    );
    expect(await problems()).toEqual([expect.stringContaining('head of size 10')]);
  });
});

async function entriesReach(count: number): Promise<void> {
  const until = Date.now() + 30_000;
  for (;;) {
    const { rows } = await pool.query<{ n: number }>('SELECT count(*)::integer AS n FROM entries');
    if (rows[0]!.n >= count) return;
    if (Date.now() > until) throw new Error(`${rows[0]!.n} entries, and ${count} were expected`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
