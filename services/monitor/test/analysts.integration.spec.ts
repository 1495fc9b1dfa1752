import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createClient, type ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { ensurePython } from '#deploy/local/launcher/training-python.js';
import { Failure, PredictionBlock } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { connectClickHouse } from '#libs/storage/clickhouse.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { Logger } from '#libs/telemetry/logger.js';
import { LogCatalogueTimer } from '../src/inbound/log-catalogue.timer.js';
import { LogCatalogueStore } from '../src/outbound/log-catalogue.store.js';
import { PredictionLogStore } from '../src/outbound/prediction-log.store.js';
import { RetentionStore } from '../src/outbound/retention.store.js';

const name = `a-${randomUUID().slice(0, 8)}`;
const startMs = Date.UTC(2001, 5, 10);
const url = (): string => getTestInfrastructure().CLICKHOUSE_URL;
let clickhouse: ClickHouseClient;
let analyst: ClickHouseClient;

/** Two hours, a row a minute: version 2 is a canary on every fourth, features of every sixth are not in the sample. */
const rows = Array.from({ length: 120 }, (_, i) => ({
  predictionId: `${name}-${String(i).padStart(3, '0')}`,
  endpoint: name,
  model: name,
  modelVersion: i % 4 === 0 ? '2' : '1',
  arm: i % 4 === 0 ? 'canary' : 'live',
  rolloutId: 'r1',
  rolloutStep: 1,
  asOfMs: startMs + i * 60_000,
  answeredAtMs: Date.now(),
  joinKey: `${name}-k${i}`,
  ...payloadOf(i),
  featureServiceDigest: `${name}-digest`,
  outputs: [Math.fround((i % 10) / 10 + 0.05)],
  latencyUs: 1_000 + i,
  featuresUs: 400,
  inferUs: 250,
  cached: i === 10,
  fallback: i === 9,
}));

function payloadOf(i: number): object {
  if (i % 6 === 5) return { payloadSampledOut: true };
  const requestJson = Buffer.from(JSON.stringify({ origin: i % 3 === 0 ? 'ORD' : 'DEN' }));
  if (i === 8) return { requestJson, features: floats(3), featuresGiven: true };
  return { requestJson, features: floats(i, i % 5 === 0 ? Number.NaN : 1.5) };
}

function floats(...values: number[]): Buffer {
  return Buffer.from(Float32Array.from(values).buffer);
}

/** Of the stream for even rows, but that of row 2 comes too late; of callers for odd ones up to 19, and for row 0, which the stream contradicts. */
const streamed = (i: number): number | undefined => (i % 2 === 0 && i !== 2 ? (i % 10 >= 5 ? 1 : 0) : undefined);
const told = (i: number): number | undefined => (i === 0 || (i % 2 === 1 && i < 20) ? 1 : undefined);
const labelOf = (i: number): number | null => streamed(i) ?? told(i) ?? null;

beforeAll(async () => {
  clickhouse = connectClickHouse(url(), 'test');
  analyst = createClient({ url: url(), clickhouse_settings: { output_format_json_quote_64bit_integers: 0 } });
  const store = new PredictionLogStore(clickhouse);
  await store.createTables();
  const version = { model: name, version: '2', features: ['wait'], featureServiceDigest: `${name}-digest` };
  const known = { models: new Map([[name, { task: 'binary' as const }]]), versions: new Map([[`${name}@2`, version]]) };
  const names = { all: () => new Map([[`${name}-digest`, ['speed', 'wait']]]) };
  const quiet = new Logger('test', 'error', () => undefined);
  await new LogCatalogueTimer(1_000, known, names, new LogCatalogueStore(clickhouse), quiet).tell();
  const everyone = rows.map((_, i) => i);
  const block = {
    walId: name,
    sequence: 1,
    predictions: rows,
    shadows: everyone
      .filter((i) => i % 3 === 1)
      .map((i) => ({
        primaryId: rows[i]!.predictionId,
        endpoint: name,
        model: name,
        modelVersion: '2',
        rolloutId: 'r1',
        rolloutStep: 1,
        asOfMs: rows[i]!.asOfMs,
        outputs: [0.5],
        answeredAtMs: Date.now(),
      })),
    failures: [0, 1, 2].map((i) =>
      Failure.fromPartial({
        endpoint: name,
        model: name,
        modelVersion: '1',
        arm: 'live',
        asOfMs: startMs + i,
        failedAtMs: Date.now(),
      }),
    ),
    feedback: everyone
      .filter((i) => told(i) !== undefined)
      .map((i, place) => ({
        feedbackId: `${name}-f${place}`,
        predictionId: rows[i]!.predictionId,
        label: told(i)!,
        score: i === 0 ? Number.NaN : 4,
        caller: 'shop',
        givenAtMs: Date.now(),
      })),
  };
  await store.insertBlocks([PredictionBlock.fromPartial(block)], name);
  const labels = everyone
    .filter((i) => i % 2 === 0)
    .map((i) => ({
      model: name,
      joinKey: `${name}-k${i}`,
      label: i % 10 >= 5 ? 1 : 0,
      labelledAtMs: rows[i]!.asOfMs + (i === 2 ? 7_200_000 : 60_000),
      horizonMs: 3_600_000,
      sourcePartition: 0,
      sourceOffset: i,
    }));
  // Each comes twice, as after a rewind: it counts once.
  await store.insertLabels(labels, `${name}-labels`);
  await store.insertLabels(labels, `${name}-labels-again`);
}, 60_000);
afterAll(async () => {
  await clickhouse?.close();
  await analyst?.close();
});

async function ask<T>(query: string): Promise<T[]> {
  return (await analyst.query({ query, format: 'JSONEachRow' })).json<T>();
}

const lossOf = (i: number, score = rows[i]!.outputs[0]!): number =>
  labelOf(i) === 1 ? -Math.log(score) : -Math.log1p(-score);
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const labelled = rows.map((_, i) => i).filter((i) => labelOf(i) !== null);

describe('monitoring.prediction_log', () => {
  it('has each prediction once, with the label that counts and where it comes from', async () => {
    const found = await ask<{ label: number | null; label_source: string }>(
      `SELECT label, label_source FROM monitoring.prediction_log WHERE endpoint = '${name}' ORDER BY as_of`,
    );
    expect(found.map(({ label }) => label)).toEqual(rows.map((_, i) => labelOf(i)));
    const sources = rows.map((_, i) =>
      streamed(i) !== undefined ? 'stream' : told(i) !== undefined ? 'feedback' : '',
    );
    expect(found.map(({ label_source }) => label_source)).toEqual(sources);
    const sameOfTable = await ask<{ n: number; labels: number }>(
      `SELECT count() AS n, count(label) AS labels FROM monitoring.predictions_labelled WHERE endpoint = '${name}'`,
    );
    expect(sameOfTable).toEqual([{ n: rows.length, labels: labelled.length }]);
  });

  it('has features by name, those of a version that reads some of them too, and none of what is not in the sample', async () => {
    const of = async (i: number) =>
      (
        await ask<Record<string, unknown>>(
          `SELECT features, missing_features, features_from, payload_sampled_out, request FROM monitoring.prediction_log WHERE prediction_id = '${rows[i]!.predictionId}'`,
        )
      )[0];
    expect(await of(1)).toMatchObject({
      features: { speed: 1, wait: 1.5 },
      missing_features: [],
      features_from: 'feature-store',
    });
    expect(await of(15)).toMatchObject({ features: { speed: 15, wait: null }, missing_features: ['wait'] });
    expect(await of(8)).toMatchObject({ features: { wait: 3 }, features_from: 'caller' });
    expect(await of(9)).toMatchObject({ features_from: 'nowhere' });
    expect(await of(5)).toMatchObject({ features: {}, missing_features: [], payload_sampled_out: true, request: '' });
  });

  it('has errors, and latencies by stage', async () => {
    const [row] = await ask<Record<string, number>>(
      `SELECT error, squared_error, log_loss, score_bin, latency_us, features_us, infer_us, rest_us, cached FROM monitoring.prediction_log WHERE prediction_id = '${rows[10]!.predictionId}'`,
    );
    const [score, label] = [rows[10]!.outputs[0]!, labelOf(10)!];
    expect(row!['error']).toBeCloseTo(score - label, 6);
    expect(row!['squared_error']).toBeCloseTo((score - label) ** 2, 6);
    expect(row!['log_loss']).toBeCloseTo(lossOf(10), 6);
    expect(row).toMatchObject({
      score_bin: 0,
      latency_us: 1_010,
      features_us: 400,
      infer_us: 250,
      rest_us: 360,
      cached: true,
    });
  });
});

/** The questions of the page, asked of this test's endpoint. */
const questions = [
  ...readFileSync(join(projectRoot(), 'docs/prediction-log.md'), 'utf8').matchAll(/```sql\n([^`]+)```/g),
].map((match) => match[1]!.replaceAll('late-arrival', name));

describe('the eight questions of docs/prediction-log.md', () => {
  it('are answered', async () => {
    expect(questions).toHaveLength(8);
    const [days, calibration, hours, missing, worst, origins, pairs, callers] = await Promise.all(
      questions.map((query) => ask<Record<string, unknown>>(query)),
    );
    const own = (version: string): number[] =>
      rows.map((_, i) => i).filter((i) => rows[i]!.modelVersion === version && i !== 9);
    expect(days).toEqual(
      ['1', '2'].map((version) => {
        const counted = own(version).filter((i) => labelOf(i) !== null);
        return {
          day: '2001-06-10',
          model_version: version,
          predictions: own(version).length,
          labelled: counted.length,
          said: expect.closeTo(mean(own(version).map((i) => rows[i]!.outputs[0]!)), 5),
          came_true: expect.closeTo(mean(counted.map((i) => labelOf(i)!)), 6),
          log_loss: expect.closeTo(mean(counted.map((i) => lossOf(i))), 6),
          brier: expect.closeTo(mean(counted.map((i) => (rows[i]!.outputs[0]! - labelOf(i)!) ** 2)), 6),
        };
      }),
    );
    expect(calibration!.map((row) => row['score_bin'])).toEqual([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9]);
    expect(
      hours!.map((row) => [row['hour'], row['arm'], row['predictions'], row['failures'], row['fallbacks']]),
    ).toEqual([
      ['2001-06-10 00:00:00', 'canary', 15, 0, 0],
      ['2001-06-10 00:00:00', 'live', 45, 3, 1],
      ['2001-06-10 01:00:00', 'canary', 15, 0, 0],
      ['2001-06-10 01:00:00', 'live', 45, 0, 0],
    ]);
    expect(hours![0]).toMatchObject({ features_p99_ms: 0.4, infer_p99_ms: 0.25 });
    expect(hours![3]!['latency_p99_ms']).toBeCloseTo(1.119, 2);
    const isMissing = (i: number): boolean => i % 6 !== 5 && i % 5 === 0;
    const [n, of] = [rows.filter((_, i) => isMissing(i)).length, rows.filter((_, i) => i % 6 !== 5).length];
    expect(missing).toEqual([{ feature: 'wait', missing: n, share: expect.closeTo(n / of, 6) }]);
    expect(worst).toHaveLength(20);
    const errors = labelled.map((i) => Math.abs(rows[i]!.outputs[0]! - labelOf(i)!));
    expect(Math.abs((worst![0]!['score'] as number) - (worst![0]!['label'] as number))).toBeCloseTo(
      Math.max(...errors),
      5,
    );
    expect(origins!.map((row) => row['origin']).toSorted()).toEqual(['DEN', 'ORD']);
    const paired = labelled.filter((i) => i % 3 === 1);
    expect(pairs).toMatchObject([
      {
        rollout_id: 'r1',
        shadow_version: '2',
        pairs: 40,
        labelled: paired.length,
        mean_difference: expect.closeTo(mean(paired.map((i) => lossOf(i, 0.5) - lossOf(i))), 5),
      },
    ]);
    expect(callers).toEqual([{ caller: 'shop', told: 11, mean_rating: 4, as_the_stream_says: 0, otherwise: 1 }]);
  }, 60_000);

  it('are answered to clickhouse-connect alike', async () => {
    const python = await ensurePython('python-test', 'requirements-test.lock', () => undefined);
    const script = join(projectRoot(), 'services/monitor/test/clickhouse_connect_queries.py');
    const asked = execFile(python, [script, url()]);
    const output = new Promise<string>((resolve, reject) => {
      let text = '';
      asked.stdout!.on('data', (data: string) => (text += data));
      asked.once('close', (code) => (code === 0 ? resolve(text) : reject(new Error(`ended with ${code}: ${text}`))));
    });
    asked.stdin!.end(JSON.stringify(questions));
    const answers = JSON.parse((await output).replaceAll('+00:00"', '"')) as object[][];
    for (const [i, query] of questions.entries()) expect(answers[i]).toEqual(rounded(await ask(query)));
  }, 600_000);
});

function rounded(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (_, one: unknown) =>
    typeof one === 'number' ? Math.round(one * 1e6) / 1e6 : one,
  );
}

// Last: it forgets.
describe('retention', () => {
  it('forgets what an endpoint does not keep, and nothing of others; the same again does nothing', async () => {
    const store = new RetentionStore(clickhouse);
    const kept = `${name}-kept`;
    const old = [name, kept].flatMap((endpoint) =>
      [1, 31, 200].map((days) => ({
        ...rows[0]!,
        endpoint,
        predictionId: `${endpoint}-${days}`,
        answeredAtMs: Date.now() - days * 86_400_000,
      })),
    );
    const block = PredictionBlock.fromPartial({ walId: `${name}-old`, sequence: 1, predictions: old });
    await new PredictionLogStore(clickhouse).insertBlocks([block], `${name}-old`);
    const ids = async () =>
      (
        await ask<{ id: string }>(
          `SELECT prediction_id AS id FROM monitoring.predictions WHERE log_id = '${name}-old' ORDER BY id`,
        )
      ).map(({ id }) => id);
    const mutations = async () =>
      (await ask<{ n: number }>("SELECT count() AS n FROM system.mutations WHERE database = 'monitoring'"))[0]!.n;
    expect(await ids()).toHaveLength(6);
    const retention = { days: undefined, endpoints: new Map([[name, 30]]) };
    await store.apply(retention);
    await clickhouse.command({ query: 'OPTIMIZE TABLE monitoring.predictions FINAL' });
    expect(await ids()).toEqual([`${name}-1`, ...[1, 200, 31].map((days) => `${kept}-${days}`)]);
    const before = await mutations();
    await store.apply(retention);
    expect(await mutations()).toBe(before);
    await store.apply({ days: undefined, endpoints: new Map() });
    await store.apply({ days: undefined, endpoints: new Map() });
    const query = "SELECT name FROM system.tables WHERE database = 'monitoring' AND position(engine_full, ' TTL ') > 0";
    expect(await ask(query)).toEqual([]);
  }, 60_000);
});
