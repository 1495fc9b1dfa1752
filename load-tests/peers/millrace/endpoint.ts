import { randomUUID } from 'node:crypto';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { FeatureStoreService, type VectorsRequest } from '#libs/contracts/generated/millrace/features/v1/features.js';
import { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { featureServiceDigest } from '#libs/definitions/feature-service-digest.js';
import { GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { freePort, token } from '#libs/testing/service-process.js';
import { ToldRegistry } from '#libs/testing/told-registry.js';
import { featureCount, type PeerModel } from '../peer.js';

const featureNames = Array.from({ length: featureCount }, (_, i) => `f${i}`);

function definitionsOf(endpoint: string): Record<string, object> {
  const schema = [
    { name: 'id', type: 'string', nullable: false },
    ...featureNames.map((name) => ({ name: `given_${name}`, type: 'float64', nullable: true })),
    { name: 'at', type: 'timestamp', nullable: false },
  ];
  const request = featureNames.map((name) => ({ name, expression: `given_${name}` }));
  return {
    [`Stream/${endpoint}-rows`]: { name: `${endpoint}-rows`, eventTime: 'at', schema, derive: [] },
    [`FeatureService/${endpoint}-features`]: {
      name: `${endpoint}-features`,
      spine: `${endpoint}-rows`,
      items: [{ request }],
    },
    [`Model/${endpoint}`]: {
      name: endpoint,
      task: 'regression',
      features: `${endpoint}-features`,
      label: { join: 'id' },
    },
    [`Endpoint/${endpoint}`]: { name: endpoint, model: endpoint, log: { features: true } },
  };
}

/**
 * Tells the mesh of an endpoint that is live with this model, as the registry would.
 * @param shadow a version beside it that is shown everything and answers nothing
 */
export async function publishEndpoint(
  brokers: string,
  model: PeerModel,
  shadow?: PeerModel,
): Promise<{ endpoint: string; close(): Promise<void> }> {
  const endpoint = `${model.name}-${randomUUID().slice(0, 8)}`;
  const definitions = definitionsOf(endpoint);
  const digest = featureServiceDigest(
    definitions[`FeatureService/${endpoint}-features`] as never,
    [],
    definitions[`Stream/${endpoint}-rows`] as never,
  );
  const version = (name: string, { sha256 }: PeerModel): ModelVersion =>
    ModelVersion.fromPartial({
      model: endpoint,
      version: name,
      onnxSha256: sha256,
      featureServiceDigest: digest,
      features: featureNames,
      task: 'regression',
    });
  const candidate = shadow && { version: version('2', shadow), rolloutId: endpoint, step: 0, percent: 0, mirror: true };
  const route = { endpoint, model: endpoint, live: version('1', model), ...(candidate && { candidate }) };
  const registry = new ToldRegistry(brokers);
  await registry.ensureTopics();
  await registry.tell(definitions, [route]);
  return { endpoint, close: () => registry.close() };
}

/** A feature store that is there and is not asked. */
export async function idleFeatureStore(): Promise<{ address: string; close(): Promise<void> }> {
  const address = `127.0.0.1:${await freePort()}`;
  const guard = adminGuard('gateway', token);
  const server = new GrpcServer(address, guard, new Readiness(), new Logger('features', 'error'), 100);
  server.addService(FeatureStoreService, {
    ...Object.fromEntries(Object.keys(FeatureStoreService).map((name) => [name, handle.notBuilt])),
    streamVectors: handle.duplex((stream: ServerDuplexStream<VectorsRequest, never>) => {
      stream.on('data', () => stream.destroy(new Error('this comparison fetches no features')));
      stream.on('end', () => stream.end());
      stream.on('error', () => stream.end());
    }),
  });
  await new Promise<void>((resolve, reject) => server.listen((error) => (error ? reject(error as Error) : resolve())));
  return { address, close: async () => void (await server.close()) };
}
