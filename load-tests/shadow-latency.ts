import { parseArgs } from 'node:util';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Rollout } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { flightsRequest } from './flights-request.js';
import { Narrator } from '../examples/flights/src/narrator.js';
import { SecondPerson } from '../examples/flights/src/second-person.js';
import { connect, onSchedule, percentile, print } from './load-test.js';

/** What does a shadow cost the answers? Open loop at a fixed rate, blocks with and without a shadow by turns, in one run; needs the flights example's mesh, with its rollouts ended. */
const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '8' },
    pairs: { type: 'string', default: '6' },
    version: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const [rate, seconds, pairs] = [Number(values.rate), Number(values.seconds), Number(values.pairs)];
const endpoint = 'late-arrival';
/** Routes reach the gateway, and the candidate is loaded, well within this. */
const settleMs = 3_000;
const client = connect();
const failures = new Map<string, number>();
let next = 0;

/** A latency counts from when its request was due. */
async function block(): Promise<number[]> {
  const latenciesMs: number[] = [];
  await onSchedule(rate, seconds, (dueMs) => ask(dueMs, latenciesMs));
  return latenciesMs;
}

async function ask(dueMs: number, latenciesMs: number[]): Promise<void> {
  try {
    await client.gateway.call((stub) => stub.modelInfer, flightsRequest(next++, 1), 10_000);
    latenciesMs.push(performance.now() - dueMs);
  } catch (error) {
    failures.set((error as Error).message, (failures.get((error as Error).message) ?? 0) + 1);
  }
}

async function withShadow(): Promise<number[]> {
  const cause = 'what does a shadow cost';
  const request = { endpoint, version: values.version, cause, fromStep: 0 };
  const { rolloutId } = await client.registry.call((stub) => stub.startRollout, request, 10_000);
  await sleep(settleMs); // a second person approves meanwhile
  const { state } = await client.registry.call((stub) => stub.getRollout, { rolloutId, endpoint: '' }, 10_000);
  if (state !== 'shadow') throw new Error(`the endpoint's first step is ${state}, not shadow`);
  await sleep(settleMs);
  const latenciesMs = await block();
  const { state: after }: Rollout = await client.registry.call(
    (stub) => stub.getRollout,
    { rolloutId, endpoint: '' },
    10_000,
  );
  if (after !== 'shadow') throw new Error(`the rollout was ${after} before the block had ended`);
  await client.registry.call((stub) => stub.moveRollout, { rolloutId, action: 'abort', cause }, 10_000);
  await sleep(settleMs);
  return latenciesMs;
}

const second = new SecondPerson(client.mesh, new Narrator(process.stderr));
await block(); // warm
const without: number[][] = [];
const beside: number[][] = [];
for (let pair = 0; pair < pairs; pair += 1) {
  if (pair % 2 === 1) beside.push(await withShadow());
  without.push(await block());
  if (pair % 2 === 0) beside.push(await withShadow());
}
const middle = (all: readonly number[]): number => percentile(all, 0.5);
const of = (blocks: readonly number[][], q: number) => blocks.map((one) => percentile(one, q));
print(values.json, {
  requestsPerSecond: rate,
  p50MsWithout: middle(of(without, 0.5)),
  p50MsWithShadow: middle(of(beside, 0.5)),
  p99MsWithout: of(without, 0.99),
  p99MsWithShadow: of(beside, 0.99),
  p99Ratio: middle(of(beside, 0.99).map((p99, i) => p99 / of(without, 0.99)[i]!)),
  failed: Object.fromEntries(failures),
});
await second.stop();
client.close();
