import { randomUUID } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Metadata } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import type { EncodedRecord } from '#libs/contracts/event-record.js';
import { DefinitionChanged } from '#libs/contracts/generated/millrace/control/v1/control.js';
import { AuditEvent } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { ModelVersion, Route } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { CallContext } from '#libs/rpc/served-context.js';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import { connectPostgres } from '#libs/storage/postgres.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { DefinitionsHandlers } from '../src/inbound/definitions.handlers.js';
import { ModelsHandlers } from '../src/inbound/models.handlers.js';
import { OutboxPublisher } from '../src/outbound/outbox.publisher.js';
import { RegistryDatabase } from '../src/outbound/registry-database.js';
import { registryMetrics } from '../src/registry.metrics.js';

const folder = join(projectRoot(), 'examples/flights/definitions');
const flights = readdirSync(folder).map((path) => ({ path, text: readFileSync(join(folder, path), 'utf8') }));
const context: CallContext = {
  caller: { name: 'tester', roles: ['admin'] },
  signal: new AbortController().signal,
  deadlineMs: Number.POSITIVE_INFINITY,
  metadata: new Metadata(),
};
const root = mkdtempSync(join(tmpdir(), 'millrace-registry-'));
const artifacts = new ArtifactStore(root);
const metrics = registryMetrics(new Metrics('test'));

let pool: Pool;
let database: RegistryDatabase;
let definitions: DefinitionsHandlers;
let models: ModelsHandlers;
beforeAll(async () => {
  pool = await connectPostgres(getTestInfrastructure().POSTGRES_URL, `registry_${randomUUID().slice(0, 8)}`);
  database = new RegistryDatabase(pool);
  await Promise.all([database.createTables(), database.createTables()]); // two processes may start at once
  definitions = new DefinitionsHandlers(database, metrics, () => undefined);
  models = new ModelsHandlers(database, artifacts, () => undefined);
});
afterAll(async () => {
  await pool.end();
  rmSync(root, { recursive: true, force: true });
});

const apply = (documents: { path: string; text: string }[], dryRun = false) =>
  definitions.apply({ documents, dryRun, requestedBy: '' }, context);

/** What the audit log was told. */
const audited: AuditEvent[] = [];

/** Publishes what is in the outbox, by a publisher that dies after so many records were sent. */
async function drain(dieAfter = Number.POSITIVE_INFINITY): Promise<EncodedRecord[]> {
  const sent: EncodedRecord[] = [];
  const publisher = {
    publish: async (records: readonly EncodedRecord[]) => {
      sent.push(...records);
      if (sent.length > dieAfter) throw new Error('killed after the send, before the mark');
      return new Map<number, number>();
    },
  };
  const auditor = {
    publish: async (records: readonly EncodedRecord[]) => {
      audited.push(...records.map(({ value }) => AuditEvent.decode(value!)));
      return new Map<number, number>();
    },
  };
  const outbox = new OutboxPublisher(
    pool,
    { definitionsChanged: publisher, modelsChanged: publisher, routesChanged: publisher, auditRecorded: auditor },
    metrics,
    new Logger('test', 'error'),
  );
  const client = await pool.connect();
  try {
    while ((await outbox.drain(client)) > 0);
  } catch (error) {
    if (dieAfter === Number.POSITIVE_INFINITY) throw error;
  } finally {
    client.release();
  }
  return sent;
}
const keys = (records: readonly EncodedRecord[]): string[] => records.map(({ key }) => String(key));

describe('definitions', () => {
  it('with a problem change nothing at all', async () => {
    const broken = { path: 'broken.yaml', text: 'kind: Endpoint\nname: x\nmodel: no-such-model\n' };
    const { problems, applied } = await apply([...flights, broken]);
    expect(problems).toMatchObject([{ path: 'broken.yaml', line: 3, column: 8, code: 'unknown-reference' }]);
    expect(applied).toBe(false);
    expect((await definitions.list({ kind: '', name: '' })).definitions).toEqual([]);
    expect(await drain()).toEqual([]);
  });

  it('are shown by a dry run, applied once, and unchanged when they come again', async () => {
    expect((await apply(flights, true)).changes).toHaveLength(21);
    expect((await definitions.list({ kind: '', name: '' })).definitions).toHaveLength(0);
    const first = await apply(flights);
    expect(new Set(first.changes.map(({ action }) => action))).toEqual(new Set(['create']));
    const again = await apply(flights);
    expect(new Set(again.changes.map(({ action }) => action))).toEqual(new Set(['unchanged']));
    expect(
      (await definitions.list({ kind: 'Stream', name: '' })).definitions.map(({ name, generation }) => [
        name,
        generation,
      ]),
    ).toEqual([
      ['arrivals', 1],
      ['arrivals-checked', 1],
      ['departures', 1],
    ]);
  });

  it('are published in the order in which they depend on each other, and again after a crash between send and mark', async () => {
    const before = await drain(5);
    const after = await drain();
    const order = [...new Set(keys(after).map((key) => key.split('/')[0]!))];
    expect(keys(before)).toHaveLength(6);
    expect(keys(after)[0]).toBe(keys(before)[5]); // sent, not marked: sent again
    expect(new Set([...keys(before), ...keys(after)]).size).toBe(22); // 21 definitions and the endpoint's route
    expect(order.slice(-4)).toEqual(['Endpoint', 'late-arrival', 'Monitor', 'Policy']); // the endpoint's route between
    expect(keys(before)[0]).toMatch(/^Stream\//);
    expect(await drain()).toEqual([]);
  });

  it('that changed have a new generation, and say what changed', async () => {
    const changed = flights.map(({ path, text }) => ({ path, text: text.replace('lateness: 15m', 'lateness: 20m') }));
    const { changes } = await apply(changed);
    expect(changes.filter(({ action }) => action === 'change')).toMatchObject([
      { kind: 'Stream', generation: 2, paths: ['latenessMs: 15m -> 20m'] },
    ]);
    await apply(flights);
    expect(keys(await drain())).toEqual([expect.stringMatching(/^Stream\//), expect.stringMatching(/^Stream\//)]);
  });

  it('that others use cannot be deleted', async () => {
    const question = { kind: 'FeatureView', name: 'slot-history', dryRun: false };
    await expect(definitions.delete(question, context)).rejects.toMatchObject({
      code: 'failed-precondition',
      message: expect.stringMatching(/used by FeatureService departure-risk/),
    });
  });

  it('may be applied by several at once', async () => {
    const stream = (name: string) => [
      { path: `${name}.yaml`, text: `kind: Stream\nname: ${name}\neventTime: at\nschema: {at: timestamp}\n` },
    ];
    const names = Array.from({ length: 8 }, (_, i) => `many-${i}`);
    await Promise.all(names.map((name) => apply(stream(name))));
    expect(keys(await drain()).toSorted()).toEqual(names.map((name) => `Stream/${name}`));
    const gone = await definitions.delete({ kind: 'Stream', name: 'many-0', dryRun: false }, context);
    expect(gone.changes).toMatchObject([{ action: 'delete', generation: 2 }]);
    expect(DefinitionChanged.decode((await drain())[0]!.value).definition).toMatchObject({
      name: 'many-0',
      deleted: true,
    });
  });
});

describe('model versions', () => {
  async function candidate(change: Partial<ModelVersion> = {}): Promise<ModelVersion> {
    const { sha256 } = await artifacts.put(
      (async function* () {
        yield Buffer.from('onnx');
      })(),
      100,
    );
    return ModelVersion.fromPartial({
      model: 'late-arrival',
      onnxSha256: sha256,
      featureService: 'departure-risk',
      featureServiceDigest: 'of another day',
      features: ['a'],
      runId: 'run-1',
      task: 'binary',
      ...change,
    });
  }

  it('are numbered, and the same run with the same bytes is the same version', async () => {
    const first = await models.createVersion(await candidate(), context);
    expect(first.version).toBe('1');
    expect((await models.createVersion(await candidate(), context)).version).toBe('1');
    expect((await models.createVersion(await candidate({ runId: 'run-2' }), context)).version).toBe('2');
    expect((await models.listVersions({ model: 'late-arrival' })).versions.map(({ version }) => version)).toEqual([
      '1',
      '2',
    ]);
  });

  it('need their artifact, their model and its feature service', async () => {
    await expect(models.createVersion(await candidate({ onnxSha256: '0'.repeat(64) }), context)).rejects.toMatchObject({
      code: 'failed-precondition',
    });
    await expect(models.createVersion(await candidate({ model: 'none', runId: 'x' }), context)).rejects.toMatchObject({
      code: 'not-found',
    });
    await expect(
      models.createVersion(await candidate({ featureService: 'none', runId: 'x' }), context),
    ).rejects.toMatchObject({
      code: 'invalid-argument',
    });
  });

  it('go live only with the features that they were trained on', async () => {
    await expect(
      models.setLive({ endpoint: 'late-arrival', version: '1', cause: 'test' }, context),
    ).rejects.toMatchObject({
      code: 'failed-precondition',
      message: expect.stringMatching(/train a new version/),
    });
    await expect(
      models.setLive({ endpoint: 'late-arrival', version: '9', cause: 'test' }, context),
    ).rejects.toMatchObject({
      code: 'not-found',
      message: expect.stringMatching(/it has 1, 2/),
    });
  });

  it('have aliases that move', async () => {
    await models.setAlias({ model: 'late-arrival', version: '1', alias: 'best' }, context);
    expect((await models.setAlias({ model: 'late-arrival', version: '2', alias: 'best' }, context)).aliases).toEqual([
      'best',
    ]);
    expect((await models.listVersions({ model: 'late-arrival' })).versions.map(({ aliases }) => aliases)).toEqual([
      [],
      ['best'],
    ]);
  });

  it('are told to the audit log with who did it, as every change is, and nothing that was refused', async () => {
    await drain();
    const told = audited.map(({ actor, action, resource }) => `${actor} ${action} ${resource}`);
    expect(told).toContain('tester apply streams/arrivals');
    expect(told.slice(-4)).toEqual([
      'tester train models/late-arrival@1',
      'tester train models/late-arrival@2',
      'tester apply models/late-arrival@1',
      'tester apply models/late-arrival@2',
    ]);
    expect(new Set(audited.map(({ eventId }) => eventId)).size).toBe(audited.length);
    expect(audited.find(({ resource }) => resource === 'models/late-arrival@1')?.details['runId']).toBe('run-1');
  });

  it('leave an endpoint with a route that says that nothing is live yet', async () => {
    const route = await models.getRoute({ endpoint: 'late-arrival' });
    expect(route).toMatchObject(
      Route.fromPartial({
        endpoint: 'late-arrival',
        generation: 1,
        model: 'late-arrival',
        deleted: false,
        cause: 'definition: create',
        changedMs: route.changedMs,
      }),
    );
    expect(route.live).toBeUndefined();
  });
});
