import { Duplex } from 'node:stream';
import { expect, it } from '@jest/globals';
import { VectorsRequest, type VectorsResponse } from '#libs/contracts/generated/millrace/features/v1/features.js';
import type { GrpcServer } from '#libs/rpc/grpc-server.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import type { Catalog } from '../domain/catalog.js';
import { EntityCache } from '../domain/entity-cache.js';
import type { ServicePlan } from '../domain/plans.js';
import type { OnlineStore, Snapshot } from '../domain/ports.js';
import { featureStoreMetrics } from '../feature-store.metrics.js';
import { FeatureStoreGrpc } from './feature-store.grpc.js';

const plan: ServicePlan = {
  name: 'risk',
  digest: 'd',
  spine: { name: 'trips', eventTime: 'at', columns: [{ name: 'at', type: 'timestamp' }], derived: [] },
  items: [],
  featureNames: [],
};

/** A stream of the service, with a store that counts how often it is read. */
function open() {
  const store = {
    reads: 0,
    read: async (): Promise<Snapshot> => ((store.reads += 1), { bytes: [], positions: new Map() }),
  };
  const metrics = new Metrics('feature-store');
  const service = new FeatureStoreGrpc(
    { service: () => plan } as unknown as Catalog,
    store as unknown as OnlineStore,
    new EntityCache(1_000),
    undefined as never,
    undefined as never,
    featureStoreMetrics(metrics),
  );
  const handlers: Record<string, { run(stream: unknown, context: object): void }> = {};
  const server = { addService: (_: unknown, given: object) => Object.assign(handlers, given), addReflection: () => {} };
  service.serve(server as unknown as GrpcServer);
  const answers: VectorsResponse[] = [];
  const stream = new Duplex({
    objectMode: true,
    read() {},
    write(answer: VectorsResponse, _, done) {
      answers.push(answer);
      done();
    },
  });
  handlers['streamVectors']!.run(stream, {});
  const ask = (batchId: number, fields: Partial<VectorsRequest>): void =>
    void stream.push(VectorsRequest.fromPartial({ batchId, rows: [Buffer.from('{"at": 1}')], ...fields }));
  return { ask, answers, store, metrics };
}

const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve));
};

it('a question that waited on the way for longer than its timeout_ms is refused, and nothing is read for it', async () => {
  const { ask, answers, store, metrics } = open();
  const nowMs = Date.now();
  ask(1, { timeoutMs: 1_000, sentAtMs: nowMs });
  await turns(8);
  ask(2, { timeoutMs: 1_000, sentAtMs: nowMs - 1_100 });
  await turns(8);
  expect(store.reads).toBe(1);
  ask(3, { sentAtMs: nowMs - 1_100 });
  await turns(8);
  expect(answers.map(({ batchId, errorCode }) => [batchId, errorCode])).toEqual([
    [1, ''],
    [2, 'deadline-exceeded'],
    [3, ''],
  ]);
  expect(store.reads).toBe(2);
  expect(await metrics.registry.getSingleMetricAsString('millrace_feature_store_late_questions_total')).toContain(
    '} 1',
  );
});
