import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { GRPCInferenceServiceClient, ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import {
  GiveFeedbackRequest,
  PredictionBlock,
  PredictionFeedbackClient,
} from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { GrpcServer } from '#libs/rpc/grpc-server.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { freePort, token } from '#libs/testing/service-process.js';
import { WriteAheadLog } from '#libs/wal/write-ahead-log.js';
import { CallerQuotas } from '../src/domain/caller-quotas.js';
import { ConcurrencyLimit } from '../src/domain/concurrency-limit.js';
import { setUpTensors } from './fake-tensors.js';
import { Mirror } from '../src/domain/mirror.js';
import { Admission } from '../src/inbound/admission.js';
import { Predictor } from '../src/domain/predictor.js';
import { FeedbackCalls } from '../src/inbound/feedback-calls.js';
import { serveFeedback } from '../src/inbound/feedback.grpc.js';
import { InferenceCalls } from '../src/inbound/inference-calls.js';
import { serveOpenInference } from '../src/inbound/open-inference.grpc.js';
import type { RouteTable } from '../src/inbound/route-table.follower.js';
import { inferenceGatewayMetrics } from '../src/inference-gateway.metrics.js';
import { WalFeedbackLog } from '../src/outbound/wal-feedback.log.js';
import { WalPredictionLog } from '../src/outbound/wal-prediction.log.js';
import { FakeFeatures, FakeRunner, flights, live } from './fakes.js';

const folder = mkdtempSync(join(tmpdir(), 'millrace-full-log-'));
const registry = new Metrics('inference-gateway');
let wal: WriteAheadLog;
let server: GrpcServer;
let inference: Peer<GRPCInferenceServiceClient>;
let feedback: Peer<PredictionFeedbackClient>;

/** A gateway whose log nobody ships. */
beforeEach(async () => {
  const metrics = inferenceGatewayMetrics(registry);
  wal = new WriteAheadLog({ folder, maxBytes: 4_000, fsync: false });
  const [log, runner, routes] = [
    new WalPredictionLog(wal, metrics),
    new FakeRunner(),
    { get: () => live, has: () => true },
  ];
  const predictor = new Predictor(new FakeFeatures(), runner, log, new Mirror(runner, log, 10), 100);
  const limit = new ConcurrencyLimit({ floor: 16, max: 100, targetMs: 50 }, () => performance.now(), setImmediate);
  const admission = new Admission(limit, metrics);
  const calls = new InferenceCalls(
    routes as unknown as RouteTable,
    predictor,
    setUpTensors().predictor,
    admission,
    new CallerQuotas(() => 0),
    metrics,
  );
  const address = `127.0.0.1:${await freePort()}`;
  const quiet = new Logger('test', 'error', () => undefined);
  server = new GrpcServer(address, adminGuard('tester', token), new Readiness(), quiet, 200);
  serveOpenInference(server, routes as unknown as RouteTable, calls, new Readiness());
  serveFeedback(server, new FeedbackCalls(new WalFeedbackLog(wal), metrics));
  await new Promise<void>((resolve, reject) => server.listen((error) => (error ? reject(error as Error) : resolve())));
  inference = new Peer(GRPCInferenceServiceClient, 'gateway', address, token);
  feedback = new Peer(PredictionFeedbackClient, 'gateway', address, token);
});
afterEach(async () => {
  inference.close();
  feedback.close();
  await server.close();
  await wal.close();
  rmSync(folder, { recursive: true, force: true });
});

async function everythingKept(): Promise<PredictionBlock[]> {
  const kept: PredictionBlock[] = [];
  for (let after = 0; ;) {
    const entries = await wal.readAfter(after, 1e6);
    if (entries.length === 0) return kept;
    kept.push(...entries.map(({ payload }) => PredictionBlock.decode(payload)));
    after = entries.at(-1)!.sequence;
  }
}

it('A full log refuses predictions and feedback in words rather than lose them, and takes them again once it is shipped.', async () => {
  const request = ModelInferRequest.fromPartial({ modelName: 'late', ...flights('UA-1', 'UA-2') });
  const items = [{ predictionId: `${wal.id}-1-0`, label: 1 }];
  const predict = () => inference.call((stub) => stub.modelInfer, request, 5_000);
  const give = () => feedback.call((stub) => stub.give, GiveFeedbackRequest.fromPartial({ items }), 5_000);
  let answered = 0;
  const untilFull = async (): Promise<void> => {
    for (; answered < 1_000; answered += 1) await predict();
  };
  const full = {
    code: 'unavailable',
    message: expect.stringMatching(
      /the prediction log holds \d+ bytes that could not be shipped \(bound 4000\): is Kafka away\?/,
    ),
  };
  await give();
  await expect(untilFull()).rejects.toMatchObject(full);
  await expect(give()).rejects.toMatchObject(full);
  expect(answered).toBeGreaterThan(2);
  const kept = await everythingKept();
  expect(kept.flatMap(({ predictions }) => predictions)).toHaveLength(2 * answered);
  expect(kept.flatMap(({ feedback: told }) => told)).toHaveLength(1);
  const metrics = await registry.registry.metrics();
  expect(metrics).toMatch(/unkept_predictions_total\{[^}]*\} 2\n/);
  expect(metrics).toMatch(/feedback_total\{outcome="unavailable"[^}]*\} 1\n/);
  await wal.markShipped(wal.nextSequence - 1);
  await predict();
  expect((await give()).feedbackIds).toHaveLength(1);
}, 30_000);
