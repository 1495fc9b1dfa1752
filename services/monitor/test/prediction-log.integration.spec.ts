import { randomUUID } from 'node:crypto';
import { createClient, type ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { PredictionBlock } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import type { TabularModelSpec } from '#libs/definitions/definition-kinds.js';
import type { Chunk, ChunkHandler, Consumer, ConsumeOptions, MessageLog } from '#libs/messaging/message-log.js';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import { connectClickHouse } from '#libs/storage/clickhouse.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { PerformanceHandler } from '../src/inbound/performance.handler.js';
import { PredictionsConsumer } from '../src/inbound/predictions.consumer.js';
import { monitorMetrics } from '../src/monitor.metrics.js';
import { PredictionLogStore } from '../src/outbound/prediction-log.store.js';
import { VersionReferences } from '../src/outbound/version-references.js';

const endpoint = `e-${randomUUID().slice(0, 8)}`;
let clickhouse: ClickHouseClient;
let reader: ClickHouseClient;
let store: PredictionLogStore;
let handle: ChunkHandler;

beforeAll(async () => {
  const url = getTestInfrastructure().CLICKHOUSE_URL;
  clickhouse = connectClickHouse(url, 'test');
  reader = createClient({ url });
  store = new PredictionLogStore(clickhouse);
  await Promise.all([store.createTables(), store.createTables()]);
  const consume = async (options: ConsumeOptions): Promise<Consumer> => {
    handle = options.handler;
    return {
      stop: async () => undefined,
      rewind: () => undefined,
      health: () => ({ assigned: 1, silentMs: 0, lag: 0 }),
    };
  };
  const log = { ensureTopics: async () => undefined, consume } as unknown as MessageLog;
  await new PredictionsConsumer(
    log,
    store,
    monitorMetrics(new Metrics('test')),
    new Logger('test', 'error', () => undefined),
  ).start();
});
afterAll(async () => {
  await clickhouse.close();
  await reader.close();
});

function block(walId: string, sequence: number, rows: number): Buffer {
  const predictions = Array.from({ length: rows }, (_, i) => ({
    predictionId: `${walId}-${sequence}-${i}`,
    endpoint,
    model: `model-${endpoint}`,
    modelVersion: '1',
    asOfMs: Date.UTC(2001, 5, 10) + i * 1_000,
    answeredAtMs: Date.now(),
    joinKey: `k${i}`,
    requestJson: Buffer.from('{"a":"é"}'),
    features: Buffer.from(Float32Array.of(1.5, Number.NaN).buffer),
    outputs: [i / rows],
    latencyUs: 12,
    caller: 'test',
  }));
  const snapshots = [{ positions: [{ stream: 's', watermarkMs: 9, appliedOffsets: [1, -1] }] }];
  return Buffer.from(
    PredictionBlock.encode(PredictionBlock.fromPartial({ walId, sequence, predictions, snapshots })).finish(),
  );
}

let offset = 0;
function chunk(carried: string, ...values: Buffer[]): Chunk {
  const records = values.map((value) => ({
    partition: 0,
    offset: (offset += 1),
    key: null,
    value,
    headers: {},
    timestampMs: 1,
  }));
  return {
    topic: 't',
    partition: 0,
    records,
    token: `${endpoint}/${records[0]!.offset}-${offset}`,
    carried,
    signal: new AbortController().signal,
    alive: async () => undefined,
  };
}

async function query<T>(sql: string): Promise<T[]> {
  return (await reader.query({ query: sql, query_params: { endpoint }, format: 'JSONEachRow' })).json<T>();
}
const counts = () =>
  query(
    'SELECT toUInt32(count()) AS rows, toUInt32(uniqExact(prediction_id)) AS ids FROM monitoring.predictions WHERE endpoint = {endpoint: String}',
  );

describe('the prediction log', () => {
  it('has a row for each of those that a request gave packed, as if each had been told alone', async () => {
    const name = `${endpoint}-packed`;
    const shared = { endpoint: name, model: 'm', modelVersion: '1', arm: 'live', asOfMs: 5, featuresGiven: true };
    const rows = [
      {
        shared: { ...shared, requestJson: Buffer.from('{}') },
        first: 3,
        rows: 2,
        features: Buffer.from(Float32Array.of(1.5, Number.NaN, 2.5, 0).buffer),
        outputs: Buffer.from(Float32Array.of(0.5, 0.25).buffer),
      },
    ];
    const packed = PredictionBlock.encode(PredictionBlock.fromPartial({ walId: 'p', sequence: 1, rows })).finish();
    await handle(chunk('', Buffer.from(packed), Buffer.from(packed)));
    const logged = await (
      await reader.query({
        query:
          'SELECT prediction_id AS id, toString(features) AS features, score, request FROM monitoring.predictions WHERE endpoint = {name: String} ORDER BY id',
        query_params: { name },
        format: 'JSONEachRow',
      })
    ).json();
    expect(logged).toEqual([
      { id: 'p-1-3', features: '[1.5,nan]', score: 0.5, request: '{}' },
      { id: 'p-1-4', features: '[2.5,0]', score: 0.25, request: '{}' },
    ]);
  });

  it('has each prediction once: of a chunk that is given again, and of a block that a gateway sent again', async () => {
    const first = chunk('', block('w1', 1, 3), block('w1', 2, 2), block('w1', 2, 2));
    const carried = (await handle(first))!;
    expect(await handle(first)).toBe(carried); // killed after the insert: the same records, token and state come again
    expect(await counts()).toEqual([{ rows: 5, ids: 5 }]);
    const second = chunk(carried, block('w1', 1, 3), block('w1', 2, 2), block('w1', 3, 1), block('w2', 1, 4));
    await handle(second);
    expect(await counts()).toEqual([{ rows: 10, ids: 10 }]);
  });

  it('has every column as it was sent', async () => {
    const [row] = await query<Record<string, unknown>>(
      "SELECT request, features, outputs, score, position_streams, position_offsets, log_id, toUInt32(log_sequence) AS log_sequence, join_key FROM monitoring.predictions WHERE endpoint = {endpoint: String} AND prediction_id = 'w1-1-2'",
    );
    expect(row).toEqual({
      request: '{"a":"é"}',
      features: [1.5, null], // NaN, as JSON says it
      outputs: [expect.closeTo(2 / 3)],
      score: expect.closeTo(2 / 3),
      position_streams: ['s'],
      position_offsets: [[1, -1]],
      log_id: 'w1',
      log_sequence: 1,
      join_key: 'k2',
    });
  });

  it('has feedback once too, and takes rows of however many instants', async () => {
    const feedback = [
      { feedbackId: `${endpoint}-f0`, predictionId: 'w1-1-2', label: 1, score: Number.NaN, givenAtMs: 5 },
    ];
    const months = Array.from({ length: 150 }, (_, i) => ({
      ...PredictionBlock.decode(block('w4', 1, 1)).predictions[0]!,
      predictionId: `w4-1-${i}`,
      asOfMs: Date.UTC(1990, i, 1),
    }));
    const made = PredictionBlock.fromPartial({ walId: `${endpoint}-w4`, sequence: 1, predictions: months, feedback });
    const given = chunk('', Buffer.from(PredictionBlock.encode(made).finish()));
    await handle(given);
    await handle(given);
    const rows = await query(
      `SELECT label, isNaN(score) AS unscored, log_id, toUInt32(log_sequence) AS log_sequence FROM monitoring.feedback WHERE feedback_id = '${endpoint}-f0'`,
    );
    expect(rows).toEqual([{ label: 1, unscored: 1, log_id: `${endpoint}-w4`, log_sequence: 1 }]);
    const [counted] = await query<{ n: number }>(
      `SELECT toUInt32(count()) AS n FROM monitoring.predictions WHERE endpoint = {endpoint: String} AND log_id = '${endpoint}-w4'`,
    );
    expect(counted!.n).toBe(150);
    await reader.command({ query: `DELETE FROM monitoring.predictions WHERE log_id = '${endpoint}-w4'` });
  });

  it('keeps what cannot be read aside, and goes on', async () => {
    await handle(chunk('', Buffer.from('ffffff', 'hex'), block('w3', 1, 1)));
    expect(
      await query(
        "SELECT value_base64 FROM monitoring.predictions_unreadable FINAL WHERE value_base64 = '////' LIMIT 1",
      ),
    ).toHaveLength(1);
    expect(
      (
        await query<{ n: number }>(
          "SELECT count() AS n FROM monitoring.predictions WHERE endpoint = {endpoint: String} AND log_id = 'w3'",
        )
      )[0]!.n,
    ).toBe(1);
  });

  it('is joined with labels as they come: the first one, within the horizon', async () => {
    const at = Date.UTC(2001, 5, 10);
    const label = (joinKey: string, value: number, labelledAtMs: number, sourceOffset: number) => ({
      model: `model-${endpoint}`,
      joinKey,
      label: value,
      labelledAtMs,
      horizonMs: 60_000,
      sourcePartition: 0,
      sourceOffset,
    });
    await store.insertLabels(
      [
        label('k0', 1, at + 5_000, 1),
        label('k0', 0, at + 9_000, 2),
        label('k1', 1, at + 200_000, 3),
        label('k2', 0, at + 10_000, 4),
      ],
      `${endpoint}-labels`,
    );
    const rows = await query(
      "SELECT join_key, label FROM monitoring.predictions_labelled WHERE endpoint = {endpoint: String} AND log_id = 'w1' AND log_sequence = 1 ORDER BY join_key",
    );
    expect(rows).toEqual([
      { join_key: 'k0', label: 1 },
      { join_key: 'k1', label: null },
      { join_key: 'k2', label: 0 },
    ]);
    const known = { endpoints: new Map<string, string>(), models: new Map<string, TabularModelSpec>() };
    const quiet = new Logger('test', 'error', () => undefined);
    const references = new VersionReferences(new ArtifactStore('nowhere'), new Map(), quiet);
    const performance = await new PerformanceHandler(store, references, known).performance({
      endpoint,
      fromMs: 0,
      toMs: 0,
      modelVersion: '',
      segment: '',
      stepMs: 0,
    });
    expect(performance).toMatchObject({ predictions: 11, labelled: 7 });
    expect(performance.metrics['base_rate']!.value).toBeGreaterThan(0);
    expect([performance.estimated, performance.concept]).toEqual([{}, undefined]); // no version has a reference
  });
});
