import { parseArgs } from 'node:util';
import { connect, percentile, print } from './load-test.js';
import { flightsRequest } from './flights-request.js';

/** How many unary predictions a second does the gateway answer, with 26 features looked up by entity and every answer logged? Beside it the limit in the same run: the same calls to ModelReady, which pass the same server, identity and client and do nothing. Closed loop; needs the flights example's mesh. */
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '10' },
    clients: { type: 'string', default: '64' },
    rows: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const [seconds, clients, rows] = [Number(values.seconds), Number(values.clients), Number(values.rows)];
const client = connect();

const failures = new Map<string, number>();
let next = 0;
const calls = {
  predict: () => client.gateway.call((stub) => stub.modelInfer, flightsRequest(next++, rows), 5_000),
  ready: () => client.gateway.call((stub) => stub.modelReady, { name: 'late-arrival', version: '' }, 5_000),
};

async function loop(call: () => Promise<unknown>, untilMs: number, latenciesMs: number[]): Promise<void> {
  while (Date.now() < untilMs) {
    const startedMs = performance.now();
    try {
      await call();
      latenciesMs.push(performance.now() - startedMs);
    } catch (error) {
      failures.set((error as Error).message, (failures.get((error as Error).message) ?? 0) + 1);
    }
  }
}

async function measure(what: keyof typeof calls, forSeconds: number): Promise<{ rate: number; latenciesMs: number[] }> {
  const latenciesMs: number[] = [];
  const startedMs = Date.now();
  const untilMs = startedMs + forSeconds * 1_000;
  await Promise.all(Array.from({ length: clients }, () => loop(calls[what], untilMs, latenciesMs)));
  return { rate: (latenciesMs.length / (Date.now() - startedMs)) * 1_000, latenciesMs };
}

await measure('predict', 2); // warm
await measure('ready', 1);
const { rate, latenciesMs } = await measure('predict', seconds);
const limit = await measure('ready', seconds / 2);
print(values.json, {
  requestsPerSecond: Math.round(rate),
  predictionsPerSecond: Math.round(rate * rows),
  p50Ms: percentile(latenciesMs, 0.5),
  p99Ms: percentile(latenciesMs, 0.99),
  emptyCallsPerSecond: Math.round(limit.rate),
  ofTheLimit: Number((rate / limit.rate).toFixed(2)),
  failed: Object.fromEntries(failures),
});
client.close();
