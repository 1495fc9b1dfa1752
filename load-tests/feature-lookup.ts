import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { startInfrastructure } from '#deploy/local/infra/infrastructure.js';
import { ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { float32Bytes } from '#libs/tensors/tensor-codec.js';
import { freePort, startService, token } from '#libs/testing/service-process.js';
import { entities, featureCount, publishLookups } from './feature-lookup-mesh.js';
import { print } from './load-test.js';
import { buildGenerator, type Figures, generate, type Load } from './peers/generator.js';
import { ensureModels } from './peers/models.js';
import { modelInfer } from './peers/open-inference-messages.js';
import { peerCache } from './peers/peer-cache.js';
import { giveWay, pin } from './peers/process-tree.js';
import { cores } from './peers/start-pinned.js';

/**
 * What does it add to an answer that its 50 features are looked up? Gateway, worker and feature store as processes on core 0, a real Redis beside the generator on core 1;
 * 50 aggregations over windows of the events of 500 entities. Open loop at half of what they answer with lookups, against the same requests that carry their
 * vector, by turns. Needs no mesh.
 */
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '4' },
    rounds: { type: 'string', default: '3' },
    json: { type: 'boolean', default: false },
  },
});
const [seconds, rounds] = [Number(values.seconds), Number(values.rounds)];
process.env['MILLRACE_CACHE'] ??= join(projectRoot(), '.millrace/cache');
const say = (line: string): void => console.error(line);
const binary = buildGenerator();
const { wide } = await ensureModels(peerCache(), say);
const folder = mkdtempSync(join(tmpdir(), 'millrace-feature-lookup-'));
pin([process.pid], cores.generator);
const infrastructure = await startInfrastructure({ dataDir: folder, external: {}, onProgress: say, fresh: true });
for (const name of ['kafka', 'clickhouse', 'postgres'] as const)
  giveWay([infrastructure.processes[name]?.pid ?? []].flat());
const { KAFKA_BROKERS: brokers, REDIS_URL, CLICKHOUSE_URL } = infrastructure.settings as Record<string, string>;
const endpoint = 'lookup';
const mesh = await publishLookups(brokers!, endpoint, readFileSync(wide), join(folder, 'artifacts'));
const REGISTRY_ADDRESS = `127.0.0.1:${await freePort()}`; // for training sets, which nobody makes here
const store = await startService('feature-store', brokers!, {
  REDIS_URL: REDIS_URL!,
  CLICKHOUSE_URL: CLICKHOUSE_URL!,
  REGISTRY_ADDRESS,
});
const worker = await startService('inference-worker', brokers!, { ARTIFACTS_DIR: join(folder, 'artifacts') });
const gateway = await startService('inference-gateway', brokers!, {
  FEATURE_STORE_ADDRESS: store.grpcAddress,
  INFERENCE_WORKER_ADDRESSES: worker.grpcAddress,
  DATA_DIR: join(folder, 'gateway'),
});
const services = [gateway, worker, store];
const pids = services.map(({ pid }) => pid);
pin(pids, cores.server);

const message = (inputs: object[], raw: Uint8Array[]): Uint8Array =>
  ModelInferRequest.encode(
    ModelInferRequest.fromPartial({
      modelName: endpoint,
      inputs,
      rawInputContents: raw.map((one) => Buffer.from(one)),
    }),
  ).finish();
const text = (value: string): Buffer => {
  const bytes = Buffer.alloc(4 + value.length);
  bytes.writeUInt32LE(value.length);
  bytes.write(value, 4);
  return bytes;
};
const lookedUp = entities.map((who) => message([{ name: 'who', datatype: 'BYTES', shape: [1] }], [text(who)]));
const vector = { name: 'features', datatype: 'FP32', shape: [1, featureCount] };
const given = [message([vector], [float32Bytes(new Float32Array(featureCount).fill(0.5))])];
const load = (payloads: readonly Uint8Array[], rate: number): Promise<Figures> => {
  const headers = { authorization: `Bearer ${token}` };
  const target = { protocol: 'grpc', address: gateway.grpcAddress, path: modelInfer, headers } as const;
  const shape: Load = { ...target, payloads, connections: 8, inflight: 8, rate, warmSeconds: 1, seconds };
  return generate(binary, cores.generator, shape, pids);
};

try {
  await mesh.untilReady(gateway.httpUrl, store);
  const full = await load(lookedUp, 0);
  await load(given, full.perSecond / 2); // warm
  const found: { lookedUp: Figures[]; given: Figures[] } = { lookedUp: [], given: [] };
  for (let round = 0; round < rounds; round += 1)
    for (const kind of round % 2 === 0 ? (['lookedUp', 'given'] as const) : (['given', 'lookedUp'] as const))
      found[kind].push(await load(kind === 'given' ? given : lookedUp, full.perSecond / 2));
  const median = (figures: readonly Figures[], of: (figures: Figures) => number): number =>
    figures.map(of).toSorted((a, b) => a - b)[Math.floor(figures.length / 2)]!;
  const [p50, p99] = [({ p50Ms }: Figures) => p50Ms, ({ p99Ms }: Figures) => p99Ms];
  print(values.json, {
    features: featureCount,
    requestsPerSecondAtMost: Math.round(full.perSecond),
    cpuUsARequest: full.cpuUs,
    askedPerSecond: Math.round(full.perSecond / 2),
    p50MsLookedUp: median(found.lookedUp, p50),
    p50MsGiven: median(found.given, p50),
    p99MsLookedUp: median(found.lookedUp, p99),
    p99MsGiven: median(found.given, p99),
    addedP99Ms: Number((median(found.lookedUp, p99) - median(found.given, p99)).toFixed(3)),
  });
} finally {
  for (const service of services) await service.kill('SIGTERM');
  await mesh.close();
  await infrastructure.stop();
  rmSync(folder, { recursive: true, force: true });
}
