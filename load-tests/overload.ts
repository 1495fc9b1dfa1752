import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { token } from '#libs/testing/service-process.js';
import { startServingStack } from '#libs/testing/serving-stack.js';
import { control } from './peers/control/control.peer.js';
import { buildGenerator, type Figures as Answered, type Load, offer } from './peers/generator.js';
import { ensureModels } from './peers/models.js';
import { inferRequest, modelInfer } from './peers/open-inference-messages.js';
import { featureCount } from './peers/peer.js';
import { peerCache } from './peers/peer-cache.js';
import { pin, pssMiB } from './peers/process-tree.js';
import { cores } from './peers/start-pinned.js';

/**
 * What is left of the peak when twice as much is offered as can be answered, for a minute, by callers who give up after a second? Unary predictions of one row, 100 trees, every answer logged; the gateway
 * and its worker on core 0, the generator, at the level of HTTP/2 frames, on core 1. Beside it a bare @grpc/grpc-js server with the same model in its process. Needs Kafka: KAFKA_BROKERS.
 */
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    times: { type: 'string', default: '2' },
    json: { type: 'boolean', default: false },
  },
});
const [seconds, times] = [Number(values.seconds), Number(values.times)];
const brokers = process.env['KAFKA_BROKERS'];
if (brokers === undefined) throw new Error('KAFKA_BROKERS: the address of a Kafka, e.g. of a mesh that runs here');
const { all, row } = await ensureModels(peerCache(), (line) => console.error(line));
const model = all.gbt100;

interface Figures {
  readonly peakPerSecond: number;
  readonly goodputShare: number;
  /** By gRPC status (8 = RESOURCE_EXHAUSTED), or `late`: after the caller's second. */
  readonly notAnswered: Record<string, number>;
  readonly slowestRefusalMs: number;
  readonly answeredP99Ms: number;
  /** How much later than due calls were sent, which is in all of these. */
  readonly generatorLateP99Ms: number;
  readonly memoryMb: string;
  readonly normalAfterMs: number;
}

const binary = buildGenerator();

async function measure(address: string, message: Uint8Array, pids: () => number[]): Promise<Figures> {
  const usual: Load = {
    protocol: 'grpc',
    address,
    path: modelInfer,
    headers: { authorization: `Bearer ${token}` },
    payloads: [message],
    connections: 8,
    inflight: 8,
    rate: 0,
    warmSeconds: 0,
    seconds: Math.min(10, seconds),
    withinSeconds: 1,
  };
  const ask = (load: Partial<Load>): Promise<Answered> => offer(binary, cores.generator, { ...usual, ...load }, pids());
  pin(pids(), cores.server);
  await ask({ seconds: 2 }); // warm
  const { perSecond: peakPerSecond } = await ask({});
  const before = pssMiB(pids());
  let most = before;
  const watch = setInterval(() => {
    if (pids().every((pid) => existsSync(`/proc/${pid}`))) most = Math.max(most, pssMiB(pids()));
  }, 1_000);
  const over = await ask({ seconds, rate: peakPerSecond * times }).finally(() => clearInterval(watch));
  const normalAfterMs = await untilNormal(ask, peakPerSecond);
  const codes = byCode(over.failed);
  return {
    peakPerSecond: Math.round(peakPerSecond),
    goodputShare: Number((over.perSecond / peakPerSecond).toFixed(2)),
    notAnswered: codes,
    slowestRefusalMs: over.failedMaxMs,
    answeredP99Ms: over.p99Ms,
    generatorLateP99Ms: over.lateP99Ms,
    memoryMb: `${before} before, ${most} at most`,
    normalAfterMs,
  };
}

/** Without what servers say beside it. */
function byCode(failed: Answered['failed']): Record<string, number> {
  const codes: Record<string, number> = {};
  for (const [words, calls] of Object.entries(failed)) {
    const code = /^grpc-status \d+/.exec(words)?.[0] ?? words;
    codes[code] = (codes[code] ?? 0) + calls;
  }
  return codes;
}

/** Since the load went away: when calls at a tenth of the peak are all answered, each within 50 ms. */
async function untilNormal(ask: (load: Partial<Load>) => Promise<Answered>, peak: number): Promise<number> {
  const fromMs = performance.now();
  while (performance.now() - fromMs < 30_000) {
    const sinceMs = performance.now() - fromMs;
    // A server that breaks connections is not back to normal: no figures, and it is asked again.
    const figures = await ask({ seconds: 0.2, rate: peak / 10 }).catch(() => undefined);
    if (figures !== undefined && Object.keys(figures.failed).length === 0 && figures.maxMs < 50)
      return Math.round(sinceMs);
    await sleep(20);
  }
  return Number.POSITIVE_INFINITY;
}

const stack = await startServingStack({
  brokers,
  models: { [model.name]: model.file },
  features: featureCount,
  workers: 1,
});
const ours = await measure(stack.gateway.grpcAddress, inferRequest(model.name, 'features', row), () => [
  stack.gateway.current.pid,
  ...stack.workers.map(({ current }) => current.pid),
]);
await stack.stop();
const served = await control.serve(model);
// What it does not live through is said in place of its figures.
const bare = await measure(served.address, served.request(row), () => [...served.pids]).catch((error: unknown) => ({
  problem: errorMessage(error),
}));
await served.stop();
if (values.json) console.log(JSON.stringify({ millrace: ours, control: bare }));
else
  for (const [who, figures] of Object.entries({ millrace: ours, 'bare grpc-js': bare })) {
    console.log(who);
    for (const [name, value] of Object.entries(figures))
      console.log(`  ${name.padEnd(16)} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`);
  }
