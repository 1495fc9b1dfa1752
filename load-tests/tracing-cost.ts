import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { GRPCInferenceServiceClient, ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import {
  FeatureStoreService,
  type VectorsRequest,
  VectorsResponse,
} from '#libs/contracts/generated/millrace/features/v1/features.js';
import {
  type InferBatch,
  InferenceWorkerService,
  InferResult,
} from '#libs/contracts/generated/millrace/worker/v1/worker.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { GrpcServer, handle } from '#libs/rpc/grpc-server.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Readiness } from '#libs/telemetry/readiness.js';
import { adminGuard } from '#libs/testing/admin-guard.js';
import { percentile, print } from './load-test.js';
import { type GatewayReport, modes, type Mode } from './tracing-cost-gateway.js';

/**
 * What does tracing cost a prediction? Unary ModelInfer calls through the gateway's handler, its batches to peers and its write-ahead log, in a process of its own for each way of tracing, driven by
 * turns: off, 1 % and all of the calls sampled, and, with tracing off, an AsyncLocalStorage around each call. The figure to trust on a shared machine is the gateway's CPU time a call, in the round that was least disturbed. Needs no mesh.
 */
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '10' },
    clients: { type: 'string', default: '64' },
    json: { type: 'boolean', default: false },
  },
});
const [seconds, rounds, clients] = [Number(values.seconds), Number(values.rounds), Number(values.clients)];
const token = 'token-of-the-load-test';
const features = 26;
const [peersAddress, collectorPort, firstPort] = ['127.0.0.1:47300', 47320, 47301];

/** Feature store and worker in one, which answer at once. */
async function startPeers(): Promise<GrpcServer> {
  const log = new Logger('peers', 'error');
  const server = new GrpcServer(peersAddress, adminGuard('load', token), new Readiness(), log, 100);
  const batches = <Q, A>(answer: (question: Q) => A) =>
    handle.duplex((stream: ServerDuplexStream<Q, A>) => {
      stream.on('data', (question: Q) => stream.write(answer(question)));
      stream.on('error', () => stream.end());
    });
  server.addService(FeatureStoreService, {
    streamVectors: batches(({ batchId, rows }: VectorsRequest) =>
      VectorsResponse.fromPartial({
        batchId,
        vectors: Buffer.alloc(rows.length * features * 4),
        rows: rows.length,
        features,
        featureServiceDigest: 'd',
        asOfMs: rows.map(() => 1),
      }),
    ),
    getVectors: handle.notBuilt,
    getWatermarks: handle.notBuilt,
    buildDataset: handle.notBuilt,
    verifyVectors: handle.notBuilt,
  });
  server.addService(InferenceWorkerService, {
    infer: batches(({ batchId, rows }: InferBatch) =>
      InferResult.fromPartial({ batchId, columns: 1, output: Buffer.alloc(rows * 4) }),
    ),
    prepare: handle.notBuilt,
  });
  await new Promise<void>((resolve, reject) => server.listen((error) => (error ? reject(error as Error) : resolve())));
  return server;
}

interface Gateway {
  readonly mode: Mode;
  readonly child: ChildProcess;
  readonly peer: Peer<GRPCInferenceServiceClient>;
  readonly cpuUs: number[];
  readonly rates: number[];
  readonly latenciesMs: number[];
}

async function startGateway(mode: Mode, i: number): Promise<Gateway> {
  const address = `127.0.0.1:${firstPort + i}`;
  const script = fileURLToPath(new URL('./tracing-cost-gateway.js', import.meta.url));
  const child = fork(script, [mode, address, peersAddress, token, `http://127.0.0.1:${collectorPort}/v1/traces`]);
  child.once('exit', (code) => {
    if (code !== 0) throw new Error(`the gateway with tracing ${mode} ended with ${code}`);
  });
  await once(child, 'message');
  const peer = new Peer(GRPCInferenceServiceClient, mode, address, token);
  return { mode, child, peer, cpuUs: [], rates: [], latenciesMs: [] };
}

const text = (name: string, value: string) => ({
  name,
  datatype: 'BYTES',
  shape: [1],
  contents: { bytesContents: [Buffer.from(value)] },
});
const request = ModelInferRequest.fromPartial({
  modelName: 'late',
  id: 'load',
  inputs: [text('flight_id', 'x'), text('origin', 'DEN'), text('destination', 'ORD')],
});

async function drive({ peer }: Gateway, untilMs: number): Promise<number[]> {
  const latenciesMs: number[] = [];
  const loop = async (): Promise<void> => {
    while (Date.now() < untilMs) {
      const startedMs = performance.now();
      await peer.call((stub) => stub.modelInfer, request, 10_000);
      latenciesMs.push(performance.now() - startedMs);
    }
  };
  await Promise.all(Array.from({ length: clients }, loop));
  return latenciesMs;
}

async function report({ child }: Gateway): Promise<GatewayReport> {
  child.send('report');
  const [told] = (await once(child, 'message')) as [GatewayReport];
  return told;
}

async function turn(gateway: Gateway, forSeconds: number): Promise<void> {
  const before = await report(gateway);
  const startedMs = Date.now();
  const latenciesMs = await drive(gateway, startedMs + forSeconds * 1_000);
  gateway.rates.push((latenciesMs.length / (Date.now() - startedMs)) * 1_000);
  gateway.cpuUs.push(((await report(gateway)).cpuUs - before.cpuUs) / latenciesMs.length);
  gateway.latenciesMs.push(...latenciesMs);
}

// It reads and forgets, for its work is not the gateway's.
const collector = createServer((incoming, answer) => {
  incoming.resume().once('end', () => answer.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
}).listen(collectorPort, '127.0.0.1');
await once(collector, 'listening');
const peers = await startPeers();
const gateways: Gateway[] = [];
for (const [i, mode] of modes.entries()) gateways.push(await startGateway(mode, i));
for (const gateway of gateways) {
  await turn(gateway, 3); // warm
  for (const list of [gateway.rates, gateway.cpuUs, gateway.latenciesMs]) list.length = 0;
}
for (let round = 0; round < rounds; round++) for (const gateway of gateways) await turn(gateway, seconds);
for (const gateway of gateways) {
  const { mode, rates, cpuUs, latenciesMs } = gateway;
  const { dropped } = await report(gateway);
  print(values.json, {
    tracing: mode,
    predictionsPerSecond: Math.round(percentile(rates, 0.5)),
    cpuUsAPrediction: percentile(cpuUs, 0.5),
    cpuUsInItsBestRound: percentile(cpuUs, 0),
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    spansDropped: dropped,
  });
  gateway.peer.close();
  gateway.child.disconnect();
}
await peers.close();
collector.closeAllConnections();
collector.close();
