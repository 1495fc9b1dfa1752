import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Metadata } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { CallContext } from '#libs/rpc/served-context.js';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import { connectPostgres } from '#libs/storage/postgres.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { DefinitionsHandlers } from '../src/inbound/definitions.handlers.js';
import { ModelsHandlers } from '../src/inbound/models.handlers.js';
import { RegistryDatabase } from '../src/outbound/registry-database.js';
import { registryMetrics } from '../src/registry.metrics.js';

const context: CallContext = {
  caller: { name: 'tester', roles: ['admin'] },
  signal: new AbortController().signal,
  deadlineMs: Number.POSITIVE_INFINITY,
  metadata: new Metadata(),
};
const root = mkdtempSync(join(tmpdir(), 'millrace-registry-tensors-'));
const artifacts = new ArtifactStore(root);
let pool: Pool;
let models: ModelsHandlers;
let sha256: string;
let empty: string;
beforeAll(async () => {
  pool = await connectPostgres(getTestInfrastructure().POSTGRES_URL, `registry_${randomUUID().slice(0, 8)}`);
  const database = new RegistryDatabase(pool);
  await database.createTables();
  models = new ModelsHandlers(database, artifacts, () => undefined);
  const definitions = new DefinitionsHandlers(database, registryMetrics(new Metrics('test')), () => undefined);
  const text = 'kind: Model\nname: words\ntask: tensors\n---\nkind: Endpoint\nname: words\nmodel: words';
  const applied = await definitions.apply(
    { documents: [{ path: 'x', text }], dryRun: false, requestedBy: '' },
    context,
  );
  expect(applied.problems).toEqual([]);
  ({ sha256 } = await artifacts.put(chunks('a model'), 100));
  ({ sha256: empty } = await artifacts.put(chunks(''), 100));
});
afterAll(async () => {
  await pool.end();
  rmSync(root, { recursive: true, force: true });
});

async function* chunks(text: string): AsyncGenerator<Buffer> {
  yield Buffer.from(text);
}

const create = (more: Parameters<typeof ModelVersion.fromPartial>[0]) =>
  models.createVersion(ModelVersion.fromPartial({ model: 'words', task: 'tensors', ...more }), context);

describe('versions of a tensor model', () => {
  it('are made of a file or of a model served elsewhere, the same one once, and go live', async () => {
    const upstream = { address: 'triton:8001', model: 'words', version: '' };
    const made = [
      await create({ onnxSha256: sha256 }),
      await create({ upstream }),
      await create({ upstream: { ...upstream, version: '2' } }),
      await create({ upstream }),
    ];
    expect(made.map(({ version }) => version)).toEqual(['1', '2', '3', '2']);
    const route = await models.setLive({ endpoint: 'words', version: '2', cause: 'test' }, context);
    expect(route.live).toMatchObject({ version: '2', upstream, onnxSha256: '' });
  });

  it('have exactly one of the two, and read no features', async () => {
    const upstream = { address: 'triton:8001', model: 'words', version: '' };
    await expect(create({ onnxSha256: sha256, upstream })).rejects.toThrow('both are given');
    await expect(create({})).rejects.toMatchObject({ code: 'failed-precondition' });
    await expect(create({ onnxSha256: 'f'.repeat(64) })).rejects.toThrow('is not in the store; put it first');
    await expect(create({ onnxSha256: empty })).rejects.toThrow('the artifact has 0 bytes');
    await expect(create({ onnxSha256: sha256, runId: 'r', features: ['a'] })).rejects.toThrow('read no features');
  });
});
