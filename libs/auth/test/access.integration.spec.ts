import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { AuditEvent } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { RegistryClient } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { KafkaMessageLog } from '#libs/messaging/kafka-message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { Logger } from '#libs/telemetry/logger.js';
import { type ServiceProcess, startService, token } from '#libs/testing/service-process.js';
import { until } from '#libs/testing/until.js';

const analystsToken = 'the-token-of-an-analyst';
/** Other tests may write to the same topics. */
const analyst = `analyst-${randomUUID().slice(0, 8)}`;
const policy = `access-${randomUUID().slice(0, 8)}`;
const folder = mkdtempSync(join(tmpdir(), 'millrace-access-'));
const audited: AuditEvent[] = [];
let log: KafkaMessageLog;
let registry: ServiceProcess;
let admin: Peer<RegistryClient>;
let caller: Peer<RegistryClient>;

beforeAll(async () => {
  const { KAFKA_BROKERS, POSTGRES_URL } = getTestInfrastructure();
  registry = await startService('registry', KAFKA_BROKERS, {
    POSTGRES_URL,
    ARTIFACTS_DIR: folder,
    MILLRACE_TOKENS: `test=${token},${analyst}=${analystsToken}`,
    MILLRACE_ROLES: `test=admin,${analyst}=analyst`,
  });
  admin = new Peer(RegistryClient, 'registry', registry.grpcAddress, token);
  caller = new Peer(RegistryClient, 'registry', registry.grpcAddress, analystsToken);
  log = new KafkaMessageLog('governance', KAFKA_BROKERS.split(','), new Wiring(), new Logger('test', 'error'));
  await log.consume({
    topic: 'auditRecorded',
    groupSuffix: analyst,
    delivery: 'at-least-once',
    maxRecords: 1_000,
    handler: async ({ records }) => {
      const ours = records.filter(({ value }) => value!.includes(analyst)); // others write what is no event, too
      audited.push(...ours.map(({ value }) => AuditEvent.decode(value!)).filter(({ actor }) => actor === analyst));
      return undefined;
    },
  });
}, 120_000);
afterAll(async () => {
  await admin.call((stub) => stub.deleteDefinition, { kind: 'Policy', name: policy, dryRun: false }, 5_000);
  admin.close();
  caller.close();
  await registry.kill('SIGTERM');
  await log.close();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

const list = () => caller.call((stub) => stub.listDefinitions, { kind: 'Policy', name: policy }, 5_000);
const scrape = () => fetch(`${registry.httpUrl}/metrics`, { headers: { authorization: `Bearer ${analystsToken}` } });

it('a caller without a role that may is refused over gRPC and HTTP, and both are on the audit topic', async () => {
  await expect(list()).rejects.toMatchObject({
    code: 'permission-denied',
    message: expect.stringContaining(`${analyst} may not read definitions/*: one of the roles `),
  });
  const response = await scrape();
  expect(response.status).toBe(403);
  expect(await response.json()).toEqual({
    error: { code: 'permission-denied', message: expect.stringContaining('read mesh/metrics') },
  });
  await until(() => audited.length >= 2, 'two refusals');
  const denied = { service: 'registry', roles: ['analyst'], action: 'read', decision: 'deny' };
  expect(audited).toMatchObject([
    { ...denied, resource: 'definitions/*', method: '/millrace.registry.v1.Registry/ListDefinitions' },
    { ...denied, resource: 'mesh/metrics', method: 'GET /metrics' },
  ]);
}, 60_000);

it('a policy that is applied lets its role through, and no further', async () => {
  const access = '[{role: analyst, may: [read], on: ["definitions/*", "mesh/*"]}]';
  const document = { path: 'policy.yaml', text: `kind: Policy\nname: ${policy}\naccess: ${access}\n` };
  const request = { documents: [document], dryRun: false, requestedBy: '' };
  expect(await admin.call((stub) => stub.apply, request, 5_000)).toMatchObject({ applied: true, problems: [] });
  await until(async () => (await scrape()).status === 200, 'the policy in force');
  expect((await list()).definitions).toMatchObject([{ kind: 'Policy', name: policy }]);
  await expect(caller.call((stub) => stub.apply, request, 5_000)).rejects.toMatchObject({ code: 'permission-denied' });
}, 60_000);
