import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { join } from 'node:path';
import { ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { freePort, token } from '#libs/testing/service-process.js';
import { startServingStack } from '#libs/testing/serving-stack.js';
import { type Answered, offer } from './generator.js';
import { ensureModels } from './peers/models.js';
import { peerCache } from './peers/peer-cache.js';
import { pin, pssMiB } from './peers/process-tree.js';

/**
 * What is left of the peak when twice as much is offered as can be answered, for a minute, by callers who give up after a second? Unary predictions of one row, 100 trees, every answer logged; the gateway
 * and its worker on core 0, the generator on core 1. Beside it a bare @grpc/grpc-js server with the same model in its process. Needs Kafka: KAFKA_BROKERS.
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
const model = (await ensureModels(peerCache(), (line) => console.error(line))).all.gbt100.file;

interface Figures {
  readonly peakPerSecond: number;
  readonly goodputShare: number;
  readonly refusedWithin: string;
  readonly otherCodes: Record<string, number>;
  readonly answeredP99Ms: number;
  readonly memoryMb: string;
  readonly normalAfterMs: number;
}

async function measure(address: string, inputName: string, pids: () => number[]): Promise<Figures> {
  const row = Float32Array.from({ length: 20 }, (_, i) => Math.sin(i * 7.1));
  const message = ModelInferRequest.encode(
    ModelInferRequest.fromPartial({
      modelName: 'gbt100',
      inputs: [{ name: inputName, datatype: 'FP32', shape: [1, 20] }],
      rawInputContents: [Buffer.from(row.buffer)],
    }),
  ).finish();
  const asked = { address, message, headers: { authorization: `Bearer ${token}` } };
  pin(pids(), 0);
  await offer({ ...asked, seconds: 2 }); // warm
  const peak = await offer({ ...asked, seconds: Math.min(10, seconds) });
  const peakPerSecond = okOf(peak) / Math.min(10, seconds);
  const before = pssMiB(pids());
  let most = before;
  const watch = setInterval(() => (most = Math.max(most, pssMiB(pids()))), 1_000);
  const over = await offer({ ...asked, seconds, rate: peakPerSecond * times });
  clearInterval(watch);
  const normalAfterMs = await untilNormal(asked, peakPerSecond);
  const { OK, ResourceExhausted, ...others } = over.codes;
  return {
    peakPerSecond: Math.round(peakPerSecond),
    goodputShare: Number((okOf(over) / seconds / peakPerSecond).toFixed(2)),
    refusedWithin:
      ResourceExhausted === undefined
        ? 'none refused'
        : `${ResourceExhausted.calls} by RESOURCE_EXHAUSTED, p50 ${ResourceExhausted.p50Ms} ms, p99 ${ResourceExhausted.p99Ms} ms, longest ${ResourceExhausted.maxMs} ms`,
    otherCodes: Object.fromEntries(Object.entries(others).map(([code, { calls }]) => [code, calls])),
    answeredP99Ms: OK?.p99Ms ?? Number.NaN,
    memoryMb: `${before} before, ${most} at most`,
    normalAfterMs,
  };
}

const okOf = ({ codes }: Answered): number => codes['OK']?.calls ?? 0;

/** Since the load went away: when calls at a tenth of the peak are all answered, each within 50 ms. */
async function untilNormal(asked: Omit<Parameters<typeof offer>[0], 'seconds'>, peak: number): Promise<number> {
  const fromMs = performance.now();
  while (performance.now() - fromMs < 30_000) {
    const sinceMs = performance.now() - fromMs;
    const { codes, calls } = await offer({ ...asked, seconds: 0.2, rate: peak / 10 });
    if (codes['OK']?.calls === calls && codes['OK'].maxMs < 50) return Math.round(sinceMs);
    await sleep(20);
  }
  return Number.POSITIVE_INFINITY;
}

async function startControl(): Promise<{ child: ChildProcess; address: string }> {
  const port = await freePort();
  const args = [join(projectRoot(), 'dist/load-tests/peers/control/control.main.js'), model, String(port)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout!, 'data');
  return { child, address: `127.0.0.1:${port}` };
}

const stack = await startServingStack({ brokers, models: { gbt100: model }, features: 20, workers: 1 });
const ours = await measure(stack.gateway.grpcAddress, 'features', () => [
  stack.gateway.current.pid,
  ...stack.workers.map(({ current }) => current.pid),
]);
await stack.stop();
const { child, address } = await startControl();
const control = await measure(address, 'input', () => [child.pid!]);
child.kill();
if (values.json) console.log(JSON.stringify({ millrace: ours, control }));
else
  for (const [who, figures] of Object.entries({ millrace: ours, 'bare grpc-js': control })) {
    console.log(who);
    for (const [name, value] of Object.entries(figures))
      console.log(`  ${name.padEnd(16)} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`);
  }
