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
import { audience, JwtIssuer } from '#libs/testing/jwt-issuer.js';
import { type ServiceProcess, startService, token } from '#libs/testing/service-process.js';
import { until } from '#libs/testing/until.js';

/** Other tests write to the same topics. */
const [ada, policy] = [`ada-${randomUUID()}`, `jwt-${randomUUID().slice(0, 8)}`];
const folder = mkdtempSync(join(tmpdir(), 'millrace-jwt-'));
const audited: AuditEvent[] = [];
let issuer: JwtIssuer;
let registry: ServiceProcess;
let log: KafkaMessageLog;

beforeAll(async () => {
  const { KAFKA_BROKERS, POSTGRES_URL } = getTestInfrastructure();
  issuer = await JwtIssuer.start();
  registry = await startService('registry', KAFKA_BROKERS, {
    POSTGRES_URL,
    ARTIFACTS_DIR: folder,
    JWT_ISSUER: issuer.url,
    JWT_AUDIENCE: audience,
    JWT_ROLES_CLAIM: 'realm_access.roles',
  });
  log = new KafkaMessageLog('governance', KAFKA_BROKERS.split(','), new Wiring(), new Logger('test', 'error'));
  await log.consume({
    topic: 'auditRecorded',
    groupSuffix: ada,
    delivery: 'at-least-once',
    maxRecords: 1_000,
    handler: async ({ records }) => {
      const ours = records.filter(({ value }) => value!.includes(ada));
      audited.push(...ours.map(({ value }) => AuditEvent.decode(value!)).filter(({ actor }) => actor === ada));
      return undefined;
    },
  });
}, 120_000);
afterAll(async () => {
  await registry.kill('SIGTERM');
  await log.close();
  await issuer.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

async function withPeer<T>(bearer: string, ask: (peer: Peer<RegistryClient>) => Promise<T>): Promise<T> {
  const peer = new Peer(RegistryClient, 'registry', registry.grpcAddress, bearer);
  return ask(peer).finally(() => peer.close());
}
const list = (bearer: string) =>
  withPeer(bearer, (peer) => peer.call((stub) => stub.listDefinitions, { kind: 'Policy', name: policy }, 5_000));
const scrape = (bearer: string) =>
  fetch(`${registry.httpUrl}/metrics`, { headers: { authorization: `Bearer ${bearer}` } });

it('the bearer of a JWT may what policies say its roles may, over gRPC and HTTP; what is refused is on the audit topic', async () => {
  const jwt = await issuer.sign({ sub: ada, realm_access: { roles: [policy, 'admin'] } });
  await expect(list(jwt)).rejects.toMatchObject({
    code: 'permission-denied',
    message: expect.stringMatching(new RegExp(`${ada} may not read definitions.*and it has ${policy}$`)),
  });
  expect((await scrape(jwt)).status).toBe(403);
  await until(() => audited.length >= 2, 'two refusals');
  expect(audited.map(({ resource, roles }) => [resource, ...roles])).toEqual([
    ['definitions/*', policy],
    ['mesh/metrics', policy],
  ]);

  const access = `[{role: ${policy}, may: [read], on: ["definitions/*", "mesh/*"]}]`;
  const document = { path: 'policy.yaml', text: `kind: Policy\nname: ${policy}\naccess: ${access}\n` };
  const request = { documents: [document], dryRun: false, requestedBy: '' };
  await withPeer(token, (admin) => admin.call((stub) => stub.apply, request, 5_000));
  await until(async () => (await scrape(jwt)).status === 200, 'the policy in force');
  expect((await list(jwt)).definitions).toMatchObject([{ kind: 'Policy', name: policy }]);
  await withPeer(token, (admin) =>
    admin.call((stub) => stub.deleteDefinition, { kind: 'Policy', name: policy, dryRun: false }, 5_000),
  );
}, 60_000);

it('a JWT that is not right is told what is wrong, as UNAUTHENTICATED and 401', async () => {
  const wrong = await issuer.sign({ sub: ada, aud: 'another' });
  const message = 'authorization: aud of the JWT is "another", and has to hold "millrace"';
  await expect(list(wrong)).rejects.toMatchObject({ code: 'unauthenticated', message: `registry: ${message}` });
  const response = await scrape(wrong);
  expect([response.status, await response.json()]).toEqual([401, { error: { code: 'unauthenticated', message } }]);
}, 60_000);

it('while the issuer is away, who is known stays known; who is not gets UNAVAILABLE and 503, not a refusal', async () => {
  const known = await issuer.sign({ sub: ada });
  expect((await scrape(known)).status).toBe(403);
  await registry.kill('SIGTERM');
  const { KAFKA_BROKERS, POSTGRES_URL } = getTestInfrastructure();
  registry = await startService('registry', KAFKA_BROKERS, {
    POSTGRES_URL,
    ARTIFACTS_DIR: folder,
    JWT_ISSUER: issuer.url,
    JWT_AUDIENCE: audience,
  });
  issuer.instead = { status: 500, body: '' };
  expect((await scrape(known)).status).toBe(503);
  await expect(list(known)).rejects.toMatchObject({ code: 'unavailable' });
  issuer.instead = undefined;
  await until(async () => (await scrape(known)).status === 403, 'the issuer asked again');
  issuer.instead = { status: 500, body: '' };
  expect((await scrape(known)).status).toBe(403);
  expect((await scrape(token)).status).toBe(200);
  issuer.instead = undefined;
}, 120_000);
