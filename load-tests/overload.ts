import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { token } from '#libs/testing/service-process.js';
import { startServingStack } from '#libs/testing/serving-stack.js';
import { type Answered, offer } from './generator.js';
import { control } from './peers/control/control.peer.js';
import { ensureModels } from './peers/models.js';
import { inferRequest } from './peers/open-inference-messages.js';
import { featureCount } from './peers/peer.js';
import { peerCache } from './peers/peer-cache.js';
import { pin, pssMiB } from './peers/process-tree.js';
import { cores } from './peers/start-pinned.js';

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
const { all, row } = await ensureModels(peerCache(), (line) => console.error(line));
const model = all.gbt100;

interface Figures {
  readonly peakPerSecond: number;
  readonly goodputShare: number;
  readonly refusedWithin: string;
  readonly otherCodes: Record<string, number>;
  readonly answeredP99Ms: number;
  readonly memoryMb: string;
  readonly normalAfterMs: number;
}

async function measure(address: string, message: Uint8Array, pids: () => number[]): Promise<Figures> {
  const asked = { address, message, headers: { authorization: `Bearer ${token}` } };
  pin(pids(), cores.server);
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
const bare = await measure(served.address, served.request(row), () => [...served.pids]);
await served.stop();
if (values.json) console.log(JSON.stringify({ millrace: ours, control: bare }));
else
  for (const [who, figures] of Object.entries({ millrace: ours, 'bare grpc-js': bare })) {
    console.log(who);
    for (const [name, value] of Object.entries(figures))
      console.log(`  ${name.padEnd(16)} ${typeof value === 'object' ? JSON.stringify(value) : String(value)}`);
  }
