import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { createClient } from '@clickhouse/client';
import { PredictionBlock } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { KafkaMessageLog } from '#libs/messaging/kafka-message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { Logger } from '#libs/telemetry/logger.js';
import { sleep } from '../examples/flights/src/mesh-client.js';
import { connect, print } from './load-test.js';

/** How many logged predictions a second does the monitor bring from Kafka into ClickHouse, exactly once? Needs a running mesh; its rows have the endpoint `load-test`. */
const { values } = parseArgs({
  options: { rows: { type: 'string', default: '200000' }, json: { type: 'boolean', default: false } },
});
const total = Number(values.rows);
const blockRows = 64;
const { mesh } = connect();
const walId = randomBytes(6).toString('hex');
const features = Buffer.alloc(26 * 4);
const block = (sequence: number): PredictionBlock =>
  PredictionBlock.fromPartial({
    walId,
    sequence,
    snapshots: [{ positions: [{ stream: 'departures', watermarkMs: 1, appliedOffsets: [1, 2, 3, 4] }] }],
    predictions: Array.from({ length: blockRows }, (_, i) => ({
      predictionId: `${walId}-${sequence}-${i}`,
      requestId: 'load',
      endpoint: 'load-test',
      model: 'load-test',
      modelVersion: '1',
      featureService: 'load-test',
      featureServiceDigest: 'none',
      asOfMs: Date.now(),
      answeredAtMs: Date.now(),
      joinKey: String(i),
      requestJson: Buffer.from(
        '{"flight_id":"1","origin":"DEN","destination":"ORD","distance":888,"local_minute":600}',
      ),
      features,
      outputs: [0.5],
      fallback: true,
      latencyUs: 1_000,
      caller: 'load-test',
    })),
  });
const log = new KafkaMessageLog(
  'inference-gateway',
  [mesh.infrastructure.kafka],
  new Wiring(),
  new Logger('load-test', 'error'),
);
const publisher = log.publisher('predictionsLogged');
const clickhouse = createClient({ url: mesh.clickhouseUrl });
const count = async (): Promise<number> => {
  const result = await clickhouse.query({
    query: 'SELECT count() AS n FROM monitoring.predictions WHERE log_id = {id: String}',
    query_params: { id: walId },
    format: 'JSONEachRow',
  });
  return Number((await result.json<{ n: number }>())[0]!.n);
};

const beganMs = performance.now();
const blocks = Math.ceil(total / blockRows);
for (let first = 1; first <= blocks; first += 32) {
  const some = Array.from({ length: Math.min(32, blocks - first + 1) }, (_, i) => block(first + i));
  await publisher.publish(
    some.map((one) => ({
      key: Buffer.from(walId),
      value: Buffer.from(PredictionBlock.encode(one).finish()),
      headers: {},
    })),
  );
}
const publishedMs = performance.now() - beganMs;
while ((await count()) < blocks * blockRows) await sleep(50);
const wholeMs = performance.now() - beganMs;
print(values.json, {
  rows: blocks * blockRows,
  publishedPerSecond: Math.round(((blocks * blockRows) / publishedMs) * 1_000),
  inClickHousePerSecond: Math.round(((blocks * blockRows) / wholeMs) * 1_000),
  duplicated: (await count()) - blocks * blockRows,
});
await log.close();
await clickhouse.close();
