import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  GRPCInferenceServiceService,
  type ModelInferRequest,
  type ModelInferResponse,
} from '#libs/contracts/generated/inference/v2/inference.js';
import { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import type { CallContext } from '#libs/rpc/served-context.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { startTracing } from '#libs/telemetry/start-tracing.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { WriteAheadLog } from '#libs/wal/write-ahead-log.js';
import { endpointOf } from '../services/inference-gateway/src/domain/arms.js';
import { Mirror } from '../services/inference-gateway/src/domain/mirror.js';
import { Predictor } from '../services/inference-gateway/src/domain/predictor.js';
import { fromMessage, toMessage } from '../services/inference-gateway/src/inbound/infer-message.js';
import { inferenceGatewayMetrics } from '../services/inference-gateway/src/inference-gateway.metrics.js';
import { FeatureStoreClient } from '../services/inference-gateway/src/outbound/feature-store.client.js';
import { WalPredictionLog } from '../services/inference-gateway/src/outbound/wal-prediction.log.js';
import { WorkerPoolClient } from '../services/inference-gateway/src/outbound/worker-pool.client.js';

/** How the gateway of tracing-cost.ts traces; `local-storage` is off, with an AsyncLocalStorage around each call. */
export const modes = ['off', '1 %', '100 %', 'local-storage'] as const;
export type Mode = (typeof modes)[number];

export interface GatewayReport {
  /** Of this process since it began. */
  readonly cpuUs: number;
  readonly dropped: number;
}

const ratios: Record<Mode, number> = { off: 0, '1 %': 0.01, '100 %': 1, 'local-storage': 0 };
const features = Array.from({ length: 26 }, (_, i) => `f${i}`);
const version = ModelVersion.fromPartial({
  model: 'late',
  version: '1',
  onnxSha256: 'a',
  featureServiceDigest: 'd',
  features,
});
const columns = ['flight_id', 'origin', 'destination'].map(
  (name) => ({ name, type: 'string', optional: false }) as const,
);
const plan = {
  name: 'late',
  model: 'late',
  task: 'binary',
  featureService: 'risk',
  featureServiceDigest: 'd',
  features,
  columns,
  eventTime: 'at',
  joinKey: 'flight_id',
  stickyKey: undefined,
  logFeatures: true,
  fallbackPrediction: undefined,
} as const;

async function serve(mode: Mode, address: string, peers: string, token: string, url: string): Promise<void> {
  const [logger, registry] = [new Logger('gateway', 'warn'), new Metrics('gateway')];
  const options = { serviceName: 'gateway', headers: {}, sampler: 'parentbased_traceidratio' } as const;
  const ratio = ratios[mode];
  const tracing = startTracing({ ...options, ratio, url: ratio === 0 ? undefined : url }, registry, logger);
  const metrics = inferenceGatewayMetrics(registry);
  const folder = mkdtempSync(join(tmpdir(), 'millrace-tracing-cost-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const wal = new WriteAheadLog({ folder, maxBytes: 2 ** 33, fsync: false });
  const workers = new WorkerPoolClient([peers], token, 10_000, tracing);
  const log = new WalPredictionLog(wal, metrics);
  const source = new FeatureStoreClient(peers, token, 10_000, metrics, tracing);
  const predictor = new Predictor(source, workers, log, new Mirror(workers, log, 1), 100_000);
  const endpoint = endpointOf(plan, version);
  const infer = async (request: ModelInferRequest, { caller, deadlineMs, trace }: CallContext) =>
    toMessage(await predictor.infer(endpoint, fromMessage(endpoint, request), caller.name, deadlineMs, trace));
  const storage = new AsyncLocalStorage<object>();
  const inStorage = (request: ModelInferRequest, context: CallContext): Promise<ModelInferResponse> =>
    storage.run({}, () => infer(request, context));
  const server = new GrpcServer(address, adminGuard('load', token), new Readiness(), logger, 100, tracing);
  const { notBuilt } = handle;
  server.addService(
    GRPCInferenceServiceService,
    {
      ...Object.fromEntries(Object.keys(GRPCInferenceServiceService).map((name) => [name, notBuilt])),
      modelInfer: handle.unary(mode === 'local-storage' ? inStorage : infer),
    },
    ['serverLive', 'serverReady'],
  );
  await new Promise<void>((resolve, reject) => server.listen((error) => (error ? reject(error as Error) : resolve())));
  process.on('message', () => void tell(registry));
  process.on('disconnect', () => process.exit(0));
  process.send?.('ready');
}

async function tell(registry: Metrics): Promise<void> {
  const { user, system } = process.cpuUsage();
  const dropped = await registry.registry.getSingleMetric('millrace_tracing_spans_dropped_total')?.get();
  const report: GatewayReport = {
    cpuUs: user + system,
    dropped: dropped?.values.reduce((sum, { value }) => sum + value, 0) ?? 0,
  };
  process.send?.(report);
}

if (process.send !== undefined && process.argv.length === 7)
  await serve(...(process.argv.slice(2) as [Mode, string, string, string, string]));
