import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { type Approval, ApprovalDecided } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { Rollout } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { type ApprovalContent, sealApprovalContent } from '#libs/definitions/approval-content.js';
import type { Consumer } from '#libs/messaging/message-log.js';
import { KafkaMessageLog } from '#libs/messaging/kafka-message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { connectPostgres } from '#libs/storage/postgres.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { until } from '#libs/testing/until.js';
import { eventIn } from '../src/domain/audit-leaf.js';
import { governanceMetrics } from '../src/governance.metrics.js';
import { ApprovalsHandlers } from '../src/inbound/approvals.handlers.js';
import { RolloutsConsumer } from '../src/inbound/rollouts.consumer.js';
import { verifyAudit } from '../src/inbound/verify-audit.js';
import { readAudit } from '../src/outbound/audit-reader.store.js';
import { ApprovalsStore } from '../src/outbound/approvals.store.js';
import { AuditStore } from '../src/outbound/audit.store.js';
import { DecisionsPublisher } from '../src/outbound/decisions.publisher.js';
import { loadSigningKey } from '../src/outbound/signing-key.js';

const folder = mkdtempSync(join(tmpdir(), 'millrace-approvals-'));
const key = loadSigningKey(folder);
const quiet = new Logger('governance', 'error');
const refusals: string[] = [];
/** What the consumer could not take, as its log has it. */
class Listening extends Logger {
  override error(event: string): void {
    refusals.push(event);
  }
}
const decisions: ApprovalDecided[] = [];
const registry = log('registry');
const governance = log('governance');
let pool: Pool;
let audit: AuditStore;
let store: ApprovalsStore;
let handlers: ApprovalsHandlers;
let publisher: DecisionsPublisher;
let rollouts: RolloutsConsumer;
let reading: Consumer;

function log(service: 'registry' | 'governance'): KafkaMessageLog {
  return new KafkaMessageLog(service, getTestInfrastructure().KAFKA_BROKERS.split(','), new Wiring(), quiet);
}

beforeAll(async () => {
  pool = await connectPostgres(getTestInfrastructure().POSTGRES_URL, `governance_${randomUUID().slice(0, 8)}`);
  audit = new AuditStore(pool, key);
  await audit.createTables();
  store = new ApprovalsStore(pool, audit);
  const metrics = governanceMetrics(new Metrics('test'));
  await governance.ensureTopics([{ id: 'approvalsDecided' }]);
  publisher = new DecisionsPublisher(store, governance.publisher('approvalsDecided'), quiet);
  handlers = new ApprovalsHandlers(store, audit, metrics, () => publisher.poke());
  rollouts = new RolloutsConsumer(governance, store, metrics, new Listening('governance', 'error'));
  await rollouts.start();
  publisher.start();
  reading = await registry.consume({
    topic: 'approvalsDecided',
    groupSuffix: randomUUID(),
    delivery: 'at-least-once',
    maxRecords: 100,
    handler: async ({ records }) => {
      for (const { value } of records) if (value?.[0] === 0x0a) decisions.push(decoded(value));
      return undefined;
    },
  });
}, 60_000);
afterAll(async () => {
  await publisher.stop();
  await rollouts.stop();
  await reading.stop();
  await Promise.all([registry.close(), governance.close()]);
  await pool.end();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

/** Others write to the topic what is no decision, too. */
function decoded(value: Buffer): ApprovalDecided {
  return ApprovalDecided.decode(value);
}

interface Asked {
  readonly rollout: Rollout;
  readonly digest: string;
}

/** A pending rollout; two people of model-risk have to agree, and neither mesh nor ann may. */
function asked(change: Partial<Rollout> = {}, quorum = 2): Asked {
  const rolloutId = randomUUID();
  const { json, digest } = sealApprovalContent({
    rollout: rolloutId,
    endpoint: 'late',
    version: { number: '2', onnxSha256: 'onnx' },
    policies: [{ name: 'four-eyes', roles: ['model-risk'], quorum, notRequester: true }],
    requesters: ['mesh', 'ann'],
  } as unknown as ApprovalContent);
  const waiting = { rolloutId, state: 'pending', approvalDigest: digest, approvalJson: json, startedMs: 7 };
  return { rollout: Rollout.fromPartial({ ...waiting, ...change }), digest };
}

async function publish(...values: (Rollout | Buffer)[]): Promise<void> {
  const records = values.map((value) => ({
    key: Buffer.from(Buffer.isBuffer(value) ? 'garbage' : value.rolloutId),
    value: Buffer.isBuffer(value) ? value : Buffer.from(Rollout.encode(value).finish()),
    headers: {},
  }));
  await registry.publisher('rolloutsChanged').publish(records);
}

const known = async (digest: string): Promise<Approval | undefined> => (await handlers.find([digest]))[0];
const isKnown = (digest: string) => async (): Promise<boolean> => (await known(digest)) !== undefined;
async function asking(change: Partial<Rollout> = {}, quorum = 2): Promise<Asked> {
  const one = asked(change, quorum);
  await publish(one.rollout);
  await until(isKnown(one.digest), 'the approval');
  return one;
}
const vote = (digest: string, name: string, approve = true, roles: readonly string[] = ['model-risk']) =>
  handlers.decide({ digest, approve, comment: `${name} says so` }, { caller: { name, roles } });
const decidedOf = (digest: string): ApprovalDecided[] => decisions.filter((one) => one.digest === digest);
const entriesOf = async (digest: string) =>
  (
    await readAudit(pool, (snapshot) =>
      snapshot.list({ ...everything, resourcePrefix: `approvals/${digest}` }, 100, 1e6),
    )
  ).map(({ leaf }) => eventIn(leaf));
const everything = { fromIndex: 0, limit: 0, newestFirst: false, actor: '', decision: '', resourcePrefix: '' };

describe('a rollout that waits', () => {
  it('becomes one approval, however often it comes; what is not what its digest says is refused, and the rest goes on', async () => {
    const [first, forged, moved, last] = [asked(), asked({ approvalDigest: 'f'.repeat(64) }), asked(), asked()];
    const another = { ...moved.rollout, rolloutId: randomUUID() };
    await publish(first.rollout, forged.rollout, another, Buffer.from([0xff, 0xff]), first.rollout, last.rollout);
    await until(isKnown(last.digest), 'the last of them');
    expect(await known(first.digest)).toMatchObject({
      subject: `rollouts/${first.rollout.rolloutId}`,
      state: 'waiting',
      policy: 'four-eyes',
      quorum: 2,
      roles: ['model-risk'],
      notRequester: true,
      requestedBy: 'mesh, for ann',
      requestedMs: 7,
      votes: [],
    });
    expect((await known(first.digest))!.contentJson).toEqual(first.rollout.approvalJson);
    for (const digest of ['f'.repeat(64), moved.digest]) expect(await known(digest)).toBeUndefined();
    expect(refusals.filter((event) => event === 'approval_refused').length).toBeGreaterThanOrEqual(3);
    const { approvals } = await handlers.list({ waitingOnly: true });
    expect(approvals.filter(({ digest }) => digest === first.digest)).toHaveLength(1);
  }, 60_000);

  it('that ends otherwise is withdrawn, and comes back by no redelivery', async () => {
    const { rollout, digest } = await asking();
    await publish({ ...rollout, state: 'aborted' }, rollout);
    await until(async () => (await known(digest))?.state === 'withdrawn', 'the withdrawal');
    const later = await asking();
    expect((await known(digest))?.state).toBe('withdrawn');
    await expect(vote(digest, 'bo')).rejects.toMatchObject({ code: 'failed-precondition' });
    await publish({ ...later.rollout, state: 'aborted' });
  }, 60_000);
});

describe('a vote', () => {
  it('is refused of who asked and of who has no role, and that is in the audit log', async () => {
    const { digest } = await asking();
    await expect(vote(digest, 'ann')).rejects.toMatchObject({ code: 'permission-denied' });
    await expect(vote(digest, 'bo', true, ['admin'])).rejects.toMatchObject({ code: 'permission-denied' });
    await expect(vote(digest, 'mesh', false, ['service', 'model-risk'])).rejects.toMatchObject({
      code: 'permission-denied',
      message: expect.stringMatching(/requested by mesh for ann/),
    });
    expect((await known(digest))?.votes).toEqual([]);
    expect((await entriesOf(digest)).map(({ actor, decision }) => [actor, decision])).toEqual([
      ['ann', 'deny'],
      ['bo', 'deny'],
      ['mesh', 'deny'],
    ]);
  }, 60_000);

  it('of a second person approves where two are needed, each is an entry that is proved, and the decision is published once', async () => {
    const { rollout, digest } = await asking();
    expect(await vote(digest.slice(0, 12), 'bo')).toMatchObject({ digest, state: 'waiting', decidedMs: 0 });
    for (const approve of [true, false])
      await expect(vote(digest, 'bo', approve)).rejects.toMatchObject({ code: 'already-exists' });
    const decided = await vote(digest, 'cy', true, ['reader', 'model-risk']);
    expect(decided).toMatchObject({ state: 'approved', votes: [{ voter: 'bo' }, { voter: 'cy' }] });
    await expect(vote(digest, 'di')).rejects.toMatchObject({ code: 'failed-precondition' });
    await until(() => decidedOf(digest).length > 0, 'the decision');
    await publish({ ...rollout, state: 'shadow' });
    const after = await asking(); // what came before it has been read
    expect(await known(digest)).toMatchObject({ state: 'approved' });
    expect(decidedOf(digest)).toEqual([
      {
        subject: `rollouts/${rollout.rolloutId}`,
        digest,
        approved: true,
        votes: decided.votes,
        decidedMs: decided.decidedMs,
      },
    ]);
    expect(
      (await entriesOf(digest)).map(({ actor, roles, details }) => [actor, roles, details['vote'], details['state']]),
    ).toEqual([
      ['bo', ['model-risk'], 'approve', 'waiting'],
      ['cy', ['reader', 'model-risk'], 'approve', 'approved'],
    ]);
    expect(await verifyAudit(pool, key)).toMatchObject({ ok: true, problems: [] });
    await publish({ ...after.rollout, state: 'aborted' });
  }, 60_000);

  it('of two at once counts both, and of one twice at once counts one', async () => {
    const both = await asking();
    await Promise.all([vote(both.digest, 'bo'), vote(both.digest, 'cy')]);
    expect((await known(both.digest))?.state).toBe('approved');
    const same = await asking();
    const codes = await Promise.all([1, 2].map(() => vote(same.digest, 'bo').then(() => 'counted', codeOf)));
    expect(codes.toSorted()).toEqual(['already-exists', 'counted']);
    expect((await known(same.digest))?.votes).toHaveLength(1);
  }, 60_000);

  it('against ends it, with who said so', async () => {
    const { digest } = await asking();
    expect(await vote(digest, 'eve', false)).toMatchObject({ state: 'rejected' });
    await until(() => decidedOf(digest).length > 0, 'the decision');
    expect(decidedOf(digest)).toMatchObject([{ approved: false, votes: [{ voter: 'eve', approve: false }] }]);
  }, 60_000);

  it('is of a digest that is known and long enough', async () => {
    await expect(vote('0123456789ab', 'bo')).rejects.toMatchObject({ code: 'not-found' });
    for (const digest of ['', 'abc', 'x'.repeat(12), 'a'.repeat(65), '%'.repeat(12)])
      await expect(vote(digest, 'bo')).rejects.toMatchObject({ code: 'invalid-argument' });
  });

  it('counts for nothing on what was changed in the database', async () => {
    const { digest } = await asking({}, 1);
    await pool.query(`UPDATE approvals SET content = replace(convert_from(content, 'UTF8'), 'model-risk', 'anybody')::bytea
      WHERE digest = '${digest}'`);
    await expect(vote(digest, 'bo', true, ['anybody'])).rejects.toMatchObject({
      code: 'internal',
      message: expect.stringMatching(/what is asked was changed in the database/),
    });
    await pool.query(`DELETE FROM approvals WHERE digest = '${digest}'`);
  }, 60_000);
});

describe('a decision', () => {
  it('that was made before a kill and not published is published at the next start, and again where only the mark was lost', async () => {
    await publisher.stop();
    const { digest } = await asking({}, 1);
    await vote(digest, 'bo'); // and nobody who would publish it
    expect((await store.unpublished(10)).map((one) => one.digest)).toEqual([digest]);
    expect(decidedOf(digest)).toEqual([]);
    for (const times of [1, 2]) {
      publisher = new DecisionsPublisher(store, governance.publisher('approvalsDecided'), quiet);
      publisher.start();
      await until(() => decidedOf(digest).length >= times, 'the decision');
      await until(async () => (await store.unpublished(10)).length === 0, 'the mark');
      await publisher.stop();
      await pool.query(`UPDATE approvals SET published = false WHERE digest = '${digest}'`);
    }
    expect(decidedOf(digest)).toMatchObject([{ approved: true }, { approved: true }]);
  }, 60_000);
});

function codeOf(error: unknown): string {
  return (error as { code: string }).code;
}
