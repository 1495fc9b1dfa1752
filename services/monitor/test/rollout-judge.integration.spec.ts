import { randomUUID } from 'node:crypto';
import type { ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { Judgement } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { type Prediction, PredictionBlock } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { Rollout } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { KafkaMessageLog } from '#libs/messaging/kafka-message-log.js';
import type { Chunk, Publisher } from '#libs/messaging/message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { generator } from '#libs/numeric/generator.js';
import { connectClickHouse } from '#libs/storage/clickhouse.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { until } from '#libs/testing/until.js';
import { JudgeLoop } from '../src/inbound/judge.loop.js';
import { MonitorGrpc } from '../src/inbound/monitor.grpc.js';
import { PredictionsConsumer } from '../src/inbound/predictions.consumer.js';
import { RolloutsFollower } from '../src/inbound/rollouts.follower.js';
import { monitorMetrics } from '../src/monitor.metrics.js';
import { PredictionLogStore } from '../src/outbound/prediction-log.store.js';
import { RolloutEvidenceStore } from '../src/outbound/rollout-evidence.store.js';

const endpoint = `e-${randomUUID().slice(0, 8)}`;
const model = `model-${endpoint}`;
const asOfMs = Date.UTC(2001, 5, 10);
const rows = 1_000;
const logger = new Logger('test', 'error', () => undefined);
const metrics = monitorMetrics(new Metrics('test'));
const random = generator(5);

let clickhouse: ClickHouseClient;
let store: PredictionLogStore;
let evidence: RolloutEvidenceStore;
let messages: KafkaMessageLog;
let registry: KafkaMessageLog;
let blocks: Publisher;
let consumer: PredictionsConsumer;

beforeAll(async () => {
  const { CLICKHOUSE_URL, KAFKA_BROKERS } = getTestInfrastructure();
  clickhouse = connectClickHouse(CLICKHOUSE_URL, 'test');
  store = new PredictionLogStore(clickhouse);
  evidence = new RolloutEvidenceStore(clickhouse);
  await store.createTables();
  messages = new KafkaMessageLog('monitor', KAFKA_BROKERS.split(','), new Wiring(), logger);
  registry = new KafkaMessageLog('registry', KAFKA_BROKERS.split(','), new Wiring(), logger);
  consumer = new PredictionsConsumer(messages, store, metrics, logger);
  await consumer.start();
  blocks = registry.publisher('predictionsLogged');
}, 60_000);
afterAll(async () => {
  await messages.close();
  await registry.close();
  await clickhouse.close();
}, 60_000);

/** Keys that come true as often as the live version says, 0.3; a shadow says `shadowSays` of those that do and 1 less that of the others. */
async function mirroredRollout(rolloutId: string, shadowSays: number): Promise<Buffer> {
  const of = { endpoint, model, rolloutId, rolloutStep: 0 };
  const labels = Array.from({ length: rows }, () => (random() < 0.3 ? 1 : 0));
  const predictions = labels.map((_, i) => prediction(rolloutId, i, 'live', [0.3]));
  const shadows = labels.map((label, i) => {
    const primaryId = `${rolloutId}-${i}`;
    return {
      ...of,
      modelVersion: '2',
      primaryId,
      asOfMs,
      outputs: [label === 1 ? shadowSays : 1 - shadowSays],
      runUs: 9,
    };
  });
  const failures = [{ ...of, modelVersion: '2', arm: 'shadow', code: 'run-failed', asOfMs, primaryId: 'none' }];
  const unmirrored = [{ endpoint, rolloutId, reason: 'queue-full', rows: 7, atMs: asOfMs }];
  await store.insertLabels(
    labels.map((label, i) => ({
      model,
      joinKey: `${rolloutId}-${i}`,
      label,
      labelledAtMs: asOfMs + 1_000,
      horizonMs: 60_000,
      sourcePartition: 0,
      sourceOffset: i,
    })),
    `${rolloutId}-labels`,
  );
  const block = PredictionBlock.fromPartial({
    walId: rolloutId,
    sequence: 1,
    predictions,
    shadows,
    failures,
    unmirrored,
  });
  return Buffer.from(PredictionBlock.encode(block).finish());
}

function prediction(
  rolloutId: string,
  i: number,
  arm: string,
  outputs: number[],
  latencyUs = 1_000,
): Partial<Prediction> {
  const predictionId = `${rolloutId}-${i}`;
  const key = { predictionId, joinKey: predictionId, arm, rolloutId, rolloutStep: 0 };
  return { ...key, endpoint, model, modelVersion: '1', asOfMs, outputs, latencyUs, requestJson: Buffer.from('{}') };
}

const record = (key: string, value: Buffer) => ({ key: Buffer.from(key), value, headers: {} });
async function count(table: string, rolloutId: string): Promise<number> {
  const query = `SELECT toUInt32(count()) AS n FROM monitoring.${table} WHERE rollout_id = {rolloutId: String}`;
  const result = await clickhouse.query({ query, query_params: { rolloutId }, format: 'JSONEachRow' });
  return (await result.json<{ n: number }>())[0]!.n;
}
const guardrails = { alpha: 0.05, errors: { margin: 0.01 }, logloss: { margin: 0.02 } };
const rolloutOf = (rolloutId: string, state: string, guardrailsSpec: object = guardrails): Rollout =>
  Rollout.fromPartial({
    rolloutId,
    endpoint,
    model,
    state,
    generation: 3,
    candidate: { version: '2' },
    baseline: { version: '1' },
    steps: [{ kind: state === 'canary' ? 'canary' : 'shadow', predictions: 500 }],
    guardrailsJson: Buffer.from(JSON.stringify(guardrailsSpec)),
  });

it('A bad candidate is judged to fail and a better one to pass, from rows that are there exactly once', async () => {
  const [bad, better, over] = ['bad', 'better', 'over'].map((name) => `${endpoint}-${name}`) as [
    string,
    string,
    string,
  ];
  const [ofBad, ofBetter] = [await mirroredRollout(bad, 0.45), await mirroredRollout(better, 0.9)];
  await blocks.publish([record(bad, ofBad), record(better, ofBetter), record(bad, ofBad)]);
  await until(async () => (await count('unmirrored', bad)) + (await count('unmirrored', better)) === 2);

  const rollouts = new RolloutsFollower(messages, logger);
  await rollouts.start();
  const changes = [rolloutOf(bad, 'shadow'), rolloutOf(better, 'shadow'), rolloutOf(over, 'aborted')];
  await registry
    .publisher('rolloutsChanged')
    .publish(changes.map((one) => record(one.rolloutId, Buffer.from(Rollout.encode(one).finish()))));
  const published = new Map<string, Judgement>();
  const loop = new JudgeLoop(messages, rollouts, evidence, metrics, logger, 100);
  await loop.start();
  await registry.consume({
    topic: 'rolloutsJudged',
    groupSuffix: endpoint,
    delivery: 'at-least-once',
    maxRecords: 100,
    handler: async ({ records }: Chunk) => {
      // Others write judgements of their own, and what is none.
      const ours = records.filter(({ key }) => [bad, better].includes(String(key)));
      for (const { key, value } of ours) published.set(String(key), Judgement.decode(value!));
      return undefined;
    },
  });
  await until(() => published.has(bad) && published.has(better));
  await loop.stop();
  await rollouts.stop();

  expect(published.get(bad)).toMatchObject({ outcome: 'fail', generation: 3, candidateVersion: '2' });
  expect(published.get(bad)!.reason).toMatch(/^logloss: /);
  expect(published.get(better)).toMatchObject({ outcome: 'pass', stepPredictions: rows, neededPredictions: 500 });
  const tables = ['predictions', 'shadow_predictions', 'prediction_failures', 'unmirrored'];
  expect(await Promise.all(tables.map((table) => count(table, bad)))).toEqual([rows, rows, 1, 1]);
  const grpc = new MonitorGrpc(evidence);
  const { judgements } = await grpc.judgements({ rolloutId: bad, limit: 0 });
  expect(judgements).toMatchObject([{ rolloutId: bad, outcome: 'fail' }]);
  expect(judgements[0]!.evidence.map(({ candidateRows }) => candidateRows)).toEqual([rows + 1, rows]);
  expect(await grpc.judgements({ rolloutId: over, limit: 0 })).toEqual({ judgements: [] });
}, 90_000);

it('statistics of a rollout are those of its rows, without what the fallback answered and what met no worker', async () => {
  const rolloutId = `${endpoint}-canary`;
  const live = Array.from({ length: 100 }, (_, i) => prediction(rolloutId, i, 'live', [0.25], 1_000 + i));
  const canary = Array.from({ length: 10 }, (_, i) =>
    prediction(rolloutId, 100 + i, 'canary', [0.5], i < 3 ? 5_000 : 900),
  );
  const other = prediction(`${rolloutId}-other`, 0, 'canary', [0.5]);
  const block = PredictionBlock.fromPartial({
    walId: rolloutId,
    sequence: 1,
    predictions: [...live, ...canary, other, { ...prediction(rolloutId, 200, 'live', [0.9], 9_000), fallback: true }],
    failures: [
      { endpoint, rolloutId, arm: 'canary', code: 'unavailable', asOfMs },
      ...['canary', 'live'].map((arm) => ({ endpoint, rolloutId, arm, code: 'worker-away', asOfMs })),
    ],
  });
  await store.insertBlocks([block], rolloutId);
  await store.insertBlocks([block], rolloutId);
  const label = (i: number, value: number, labelledAtMs: number) => ({
    model,
    joinKey: `${rolloutId}-${i}`,
    label: value,
    labelledAtMs,
    horizonMs: 60_000,
    sourcePartition: 0,
    sourceOffset: i,
  });
  const inTime = asOfMs + 1;
  const labels = [
    label(0, 1, inTime),
    label(1, 0, inTime),
    label(2, 1, asOfMs + 60_001),
    label(100, 1, inTime),
    label(200, 1, inTime),
  ];
  await store.insertLabels(labels, `${rolloutId}-labels`);
  const statistics = await evidence.statistics(rolloutOf(rolloutId, 'canary'), 1.5);
  const [first, second] = [-Math.log(0.25), -Math.log(0.75)];
  expect(statistics.steps).toEqual(
    expect.arrayContaining([
      { step: 0, arm: 'live', answered: 100, failed: 0 },
      { step: 0, arm: 'canary', answered: 10, failed: 0 },
      { step: 0, arm: 'canary', answered: 0, failed: 1 },
    ]),
  );
  expect(statistics.pairs.n).toBe(0);
  expect(statistics.liveLoss).toEqual({
    n: 2,
    mean: expect.closeTo((first + second) / 2, 6),
    variance: expect.closeTo((first - second) ** 2 / 2, 6),
  });
  expect(statistics.canaryLoss).toEqual({ n: 1, mean: expect.closeTo(Math.LN2, 6), variance: 0 });
  expect(await count('prediction_failures', rolloutId)).toBe(3);
  expect(statistics.latency).toEqual({ liveP99Us: 1_099, canaryRows: 10, canarySlowRows: 3 });
  const nobody = await evidence.statistics(rolloutOf(`${endpoint}-nobody`, 'canary'), 1.5);
  expect(nobody).toMatchObject({ steps: [], pairs: { n: 0 }, latency: { canaryRows: 0 } });
});
