import { parseArgs } from 'node:util';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { patiently, sleep } from '../examples/flights/src/mesh-client.js';
import { connect, print } from './load-test.js';

/** How many events a second go from a gRPC sender to the feature store: acknowledged, validated, and in the online features? Needs a running mesh; leaves the stream `load-events` behind. */
const { values } = parseArgs({
  options: { events: { type: 'string', default: '100000' }, json: { type: 'boolean', default: false } },
});
const total = Number(values.events);
const batch = 1_000;
const senders = 4;
const client = connect();
const text = `
kind: Stream
name: load-events
key: device
eventTime: at
schema: {device: string, at: timestamp, value: float64, code: {type: int32, minimum: 0, maximum: 999}}
derive: {bucket: code / 10}
expectations: [expect_column_values_to_be_between: {column: value, min_value: 0, max_value: 1}]
---
kind: FeatureView
name: load-view
source: load-events
entity: [device]
ttl: 1d
features: {n_1h: {count: '*', over: 1h}, mean_1h: {mean: value, over: 1h}, max_1d: {max: code, over: 1d}}
`;
const { problems } = await client.registry.call(
  (stub) => stub.apply,
  { documents: [{ path: 'load.yaml', text }], dryRun: false, requestedBy: '' },
  30_000,
);
if (problems.length > 0) throw new Error(problems[0]!.message);

const startMs = Date.now();
const run = startMs.toString(36);
const eventsFrom = (first: number) =>
  Array.from({ length: batch }, (_, i) => {
    const n = first + i;
    const data = { device: `device-${n % 5_000}`, at: startMs + n, value: (n % 1_000) / 1_000, code: n % 1_000 };
    return {
      id: `${run}-${n}`,
      source: '/load-test',
      type: 'load',
      timeMs: 0,
      data: Buffer.from(JSON.stringify(data)),
      traceparent: '',
      tracestate: '',
    };
  });

async function watermark(): Promise<number> {
  const { positions } = await patiently(
    () => client.features.call((stub) => stub.getWatermarks, { streams: ['load-events'] }, 5_000),
    30_000,
    ['not-found'],
  );
  return positions[0]!.watermarkMs;
}

/** The stream is known everywhere once a promise has gone through. */
async function advanceTo(ms: number): Promise<void> {
  await patiently(
    () => client.ingest.call((stub) => stub.advanceWatermark, { stream: 'load-events', watermarkMs: ms }, 10_000),
    30_000,
    ['not-found'],
  );
  for (const untilMs = Date.now() + 120_000; (await watermark()) < ms;) {
    if (Date.now() > untilMs)
      throw new MillraceError('deadline-exceeded', 'the features did not get there within two minutes');
    await sleep(10);
  }
}

await advanceTo(startMs);
const beganMs = performance.now();
let next = 0;
let acknowledged = 0;
await Promise.all(
  Array.from({ length: senders }, async () => {
    while (next < total) {
      const first = next;
      next += batch;
      const response = await client.ingest.call(
        (stub) => stub.publish,
        { stream: 'load-events', events: eventsFrom(first) },
        30_000,
      );
      acknowledged += response.accepted;
    }
  }),
);
const acknowledgedMs = performance.now() - beganMs;
await advanceTo(startMs + total);
const wholeMs = performance.now() - beganMs;
print(values.json, {
  events: acknowledged,
  acknowledgedPerSecond: Math.round((acknowledged / acknowledgedMs) * 1_000),
  inFeaturesPerSecond: Math.round((acknowledged / wholeMs) * 1_000),
});
client.close();
