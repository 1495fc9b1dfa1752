import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import type { TraceItem } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import {
  type GetRunRequest,
  type ListRolloutsRequest,
  RegistryClient,
  RegistryService,
} from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { type ApprovalContent, sealApprovalContent } from '#libs/definitions/approval-content.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { connectClickHouse, runSql } from '#libs/storage/clickhouse.js';
import { connectPostgres } from '#libs/storage/postgres.js';
import { readSql } from '#libs/storage/sql-file.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { governanceMetrics } from '../src/governance.metrics.js';
import { ApprovalsHandlers } from '../src/inbound/approvals.handlers.js';
import { TraceHandlers } from '../src/inbound/trace.handlers.js';
import { ApprovalsStore } from '../src/outbound/approvals.store.js';
import { AuditStore } from '../src/outbound/audit.store.js';
import { PredictionReader } from '../src/outbound/prediction.reader.js';
import { RegistryReader } from '../src/outbound/registry.reader.js';
import { loadSigningKey } from '../src/outbound/signing-key.js';
import { auditEvents, definitions, prediction, rollout, run, version } from './trace-fixture.js';

const token = 'a-token-of-sixteen-and-more';
const address = '127.0.0.1:47198';
const folder = mkdtempSync(join(tmpdir(), 'millrace-trace-'));
const key = loadSigningKey(folder);
const predictionId = `wal-${randomUUID()}`;
const registry = new GrpcServer(
  address,
  adminGuard('tester', token),
  new Readiness(),
  new Logger('test', 'error'),
  200,
);
let clickhouse: ClickHouseClient;
let pool: Pool;
let peer: Peer<RegistryClient>;
let handlers: TraceHandlers;
let approvals: ApprovalsStore;
let voting: ApprovalsHandlers;
/** What the registry answers. */
let served = rollout;

/** The prediction log and the audit log are real; the registry answers one chain. */
beforeAll(async () => {
  const { CLICKHOUSE_URL, POSTGRES_URL } = getTestInfrastructure();
  clickhouse = connectClickHouse(CLICKHOUSE_URL, 'test');
  await runSql(clickhouse, readSql('services/monitor/sql/monitoring.sql'));
  await insertPrediction();
  pool = await connectPostgres(POSTGRES_URL, `governance_${randomUUID().slice(0, 8)}`);
  const store = new AuditStore(pool, key);
  await store.createTables();
  await store.append(auditEvents.slice(0, 3));
  await store.append(auditEvents.slice(3));
  await serveRegistry();
  peer = new Peer(RegistryClient, 'registry', address, token);
  approvals = new ApprovalsStore(pool, store);
  voting = new ApprovalsHandlers(approvals, store, governanceMetrics(new Metrics('test')), () => undefined);
  handlers = new TraceHandlers(new PredictionReader(clickhouse), new RegistryReader(peer), voting, store, key);
}, 60_000);
afterAll(async () => {
  peer.close();
  await registry.close();
  await clickhouse.close();
  await pool.end();
  rmSync(folder, { recursive: true, force: true });
});

async function insertPrediction(): Promise<void> {
  const { endpoint, model, arm, caller, score, outputs, featureService, featureServiceDigest, streams } = prediction;
  const row = {
    prediction_id: predictionId,
    endpoint,
    model,
    model_version: prediction.version,
    feature_service: featureService,
    feature_service_digest: featureServiceDigest,
    as_of: new Date(prediction.asOfMs).toISOString(),
    answered_at: new Date(prediction.answeredMs).toISOString(),
    arm,
    caller,
    score,
    outputs,
    position_streams: streams,
    position_watermarks: prediction.watermarksMs,
    position_offsets: prediction.offsets,
    log_id: prediction.logId,
    log_sequence: prediction.logSequence,
  };
  await clickhouse.insert({ table: 'monitoring.predictions', values: [row], format: 'JSONEachRow' });
}

async function serveRegistry(): Promise<void> {
  const rest = Object.fromEntries(Object.keys(RegistryService).map((name) => [name, handle.notBuilt]));
  registry.addService(RegistryService, {
    ...rest,
    listModelVersions: handle.unary(async () => ({ versions: [{ ...version, version: '1' }, version] })),
    listDefinitions: handle.unary(async () => ({ definitions })),
    listRollouts: handle.unary(async ({ endpoint }: ListRolloutsRequest) => ({
      rollouts: [{ ...rollout, rolloutId: 'r-0', candidate: { ...version, version: '3' } }, served].filter(
        (one) => one.endpoint === endpoint,
      ),
    })),
    getRun: handle.unary(async ({ runId }: GetRunRequest) => {
      if (runId !== run.runId) throw new MillraceError('not-found', `there is no run ${runId}`);
      return run;
    }),
  });
  await new Promise<void>((resolve, reject) =>
    registry.listen((error) => (error ? reject(error as Error) : resolve())),
  );
}

const trace = async (): Promise<TraceItem[]> => (await handlers.trace({ predictionId })).items;
const doubts = (items: readonly TraceItem[]) => items.flatMap(({ facts }) => facts['not proved'] ?? []);

describe('TracePrediction', () => {
  it('goes from the log in ClickHouse over the registry to the entries of the audit log, each under the signed head', async () => {
    const items = await trace();
    const kinds = ['prediction', 'events', 'features', 'snapshot', 'run', 'code', 'version', 'approval', 'rollout'];
    expect([...new Set(items.map(({ kind }) => kind))]).toEqual([...kinds, 'audit']);
    expect(items[0]).toMatchObject({
      id: predictionId,
      atMs: 1_000,
      facts: { version: 'm@2', caller: 'ann', score: '0.25', 'as of': '1970-01-01T00:00:00.900Z' },
    });
    expect(items[1]).toMatchObject({
      id: 's',
      atMs: 800,
      facts: { 'partition 0': 'up to offset 4', 'partition 1': 'nothing yet' },
    });
    expect(items.filter(({ kind }) => kind === 'features').map(({ facts }) => facts['meaning'])[0]).toBe(
      'the same now',
    );
    const audit = items.filter(({ kind }) => kind === 'audit');
    expect(audit.map(({ id }) => id)).toEqual(['log', '0', '1', '3', '4']); // 2 is about another endpoint
    for (const { facts } of audit) expect(facts).toHaveProperty('proved');
    expect(doubts(items)).toEqual([]);
  });

  it('says what does not hold when an entry is edited, when one is removed, and when the head is forged', async () => {
    const edit = (by: number) =>
      pool.query('UPDATE entries SET leaf = set_byte(leaf, 20, (get_byte(leaf, 20) + $1) % 256) WHERE index = 0', [by]);
    await edit(1);
    expect(doubts(await trace())).toEqual(['its bytes are not under the signed head of size 5: it was edited']);
    await edit(255);
    expect(doubts(await trace())).toEqual([]);
    const { rows } = await pool.query('DELETE FROM entries WHERE index = 3 RETURNING *');
    expect(doubts(await trace())).toEqual(['the audit log does not have this move', '1 of 5 entries were removed']);
    const [row] = rows as Record<string, unknown>[];
    await pool.query('INSERT INTO entries VALUES ($1, $2, $3, $4, $5, $6, $7)', Object.values(row!));
    expect(doubts(await trace())).toEqual([]);
    const forge = (from: string, to: string) =>
      pool.query('UPDATE heads SET checkpoint = replace(checkpoint, $1, $2) WHERE size = 5', [from, to]);
    await forge('millrace/audit', 'someone/else');
    expect(doubts(await trace())).toContainEqual(expect.stringMatching(/^checkpoint: is signed by someone\/else/));
    await forge('someone/else', 'millrace/audit');
  });

  it('tells who approved, and that it is not proved once a vote or what was asked is changed in the database', async () => {
    const policies = [{ name: 'four-eyes', roles: ['model-risk'], quorum: 1, notRequester: true }];
    const content = { rollout: 'r-1', endpoint: 'e', model: 'm', version: { number: '2', onnxSha256: 'onnx' } };
    const whole = { ...content, policies, requesters: ['ann'] } as unknown as ApprovalContent;
    const { json, digest } = sealApprovalContent(whole);
    await approvals.keep(digest, 'rollouts/r-1', json, 450);
    await voting.decide({ digest, approve: true, comment: 'seen' }, { caller: { name: 'bo', roles: ['model-risk'] } });
    served = { ...rollout, approvalDigest: digest };
    const approval = async () => (await trace()).find(({ kind }) => kind === 'approval')!;
    expect(await approval()).toMatchObject({
      id: digest,
      facts: {
        rollout: 'rollouts/r-1',
        policy: 'four-eyes',
        state: 'approved',
        'vote 1': expect.stringMatching(/^bo \(model-risk\) approved .*: seen$/),
        proved: 'by audit entry 5',
      },
    });
    expect(doubts(await trace())).toEqual([]);
    await pool.query("UPDATE votes SET voter = 'cy'");
    expect((await approval()).facts['not proved']).toBe('the audit log does not have this vote');
    await pool.query("UPDATE approvals SET content = '{}'");
    expect((await approval()).facts['not proved']).toMatch(/what is asked was changed in the database$/);
    served = rollout;
  });

  it('names an id that is not in the log, and one that can be none', async () => {
    await expect(handlers.trace({ predictionId: 'nobody-1' })).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringMatching(/no prediction nobody-1 is in the log/),
    });
    for (const id of ['', 'x'.repeat(201)])
      await expect(handlers.trace({ predictionId: id })).rejects.toMatchObject({
        code: 'invalid-argument',
        message: expect.stringMatching(/^prediction_id: has (0|201) characters/),
      });
  });

  it('says that the prediction log is away', async () => {
    const away = connectClickHouse('http://127.0.0.1:1', 'test');
    const reader = new PredictionReader(away);
    await expect(reader.read('x')).rejects.toMatchObject({ code: 'unavailable' });
    await away.close();
  });
});
