import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { DefinitionChanged, ModelVersionChanged } from '#libs/contracts/generated/millrace/control/v1/control.js';
import { Alert } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { PredictionBlock } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { ModelSpec, MonitorSpec } from '#libs/definitions/definition-kinds.js';
import { KafkaMessageLog } from '#libs/messaging/kafka-message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { psi } from '#libs/numeric/drift/distances.js';
import { coarsen, histogramOf, quantileEdges } from '#libs/numeric/drift/histogram.js';
import { logloss } from '#libs/numeric/probability-scores.js';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import { connectClickHouse } from '#libs/storage/clickhouse.js';
import { Logger } from '#libs/telemetry/logger.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { watchEndpoint } from '../src/domain/watch-endpoint.js';
import { monitorMetrics } from '../src/monitor.metrics.js';
import { FiguresReader } from '../src/outbound/figures.reader.js';
import { PredictionLogStore } from '../src/outbound/prediction-log.store.js';
import { ReferenceKeeper } from '../src/outbound/reference.keeper.js';
import { VersionReferences } from '../src/outbound/version-references.js';
import { WatchingStore } from '../src/outbound/watching.store.js';
import { Watching } from '../src/watching.js';

const name = `w-${randomUUID().slice(0, 8)}`;
const hourMs = 3_600_000;
const startMs = Date.UTC(2001, 5, 10);
const trainingRows = 2_000;
const quiet = new Logger('test', 'error', () => undefined);
const folder = mkdtempSync(join(tmpdir(), 'millrace-watching-'));
const log = new KafkaMessageLog('monitor', getTestInfrastructure().KAFKA_BROKERS.split(','), new Wiring(), quiet);
const received: { status: string; alerts: { fingerprint: string; endsAt: string }[]; version: string }[] = [];
const raised: Alert[] = [];

let clickhouse: ClickHouseClient;
let predictions: PredictionLogStore;
let receiver: Server;
let watching: Watching;

/** Value of feature number `place` in row `i`: spread over 0..100 in another order for each. */
const valueOf = (place: number, i: number): number => Math.fround(((i * (7_919 + 2 * place)) % 1_009) / 10.09);

async function writeTrainingSet(): Promise<string> {
  const column = (place: number) => ({
    name: 'abc'[place]!,
    data: Array.from({ length: trainingRows }, (_, i) => (i < trainingRows - 100 ? valueOf(place, i) : 1e6)),
    type: 'FLOAT' as const,
    nullable: false,
  });
  // The last hundred rows are of the validation: nobody trained on their million.
  const splits = Array.from({ length: trainingRows }, (_, i) => (i < trainingRows - 100 ? 'train' : 'validate'));
  const columnData = [
    ...[0, 1, 2].map(column),
    { name: 'label', data: splits.map(() => 0), type: 'FLOAT' as const, nullable: false },
    { name: 'split', data: splits, type: 'STRING' as const, nullable: false },
  ];
  const bytes = Buffer.from(parquetWriteBuffer({ columnData }));
  const chunks = (async function* () {
    yield bytes;
  })();
  return (await new ArtifactStore(folder).put(chunks, 1e9)).sha256;
}

async function predict(fromMs: number, rows: number, shiftOfC: number): Promise<void> {
  const walId = `${name}-${fromMs}`;
  const block = PredictionBlock.fromPartial({
    walId,
    sequence: 1,
    predictions: Array.from({ length: rows }, (_, i) => ({
      predictionId: `${walId}-${i}`,
      endpoint: name,
      model: name,
      modelVersion: '1',
      asOfMs: fromMs + i,
      answeredAtMs: fromMs + i,
      joinKey: `${walId}-${i}`,
      features: Buffer.from(Float32Array.of(valueOf(0, i), valueOf(1, i), valueOf(2, i) + shiftOfC).buffer),
      outputs: [valueOf(3, i) / 100],
    })),
  });
  await predictions.insertBlocks([block], walId);
}

async function define(spec: MonitorSpec, sha256: string): Promise<void> {
  const registry = new KafkaMessageLog(
    'registry',
    getTestInfrastructure().KAFKA_BROKERS.split(','),
    new Wiring(),
    quiet,
  );
  await registry.ensureTopics([{ id: 'definitionsChanged' }, { id: 'modelsChanged' }, { id: 'alertsRaised' }]);
  const definition = { kind: 'Monitor', name, specJson: Buffer.from(JSON.stringify(spec)) };
  const version = { model: name, version: '1', features: ['c', 'a'], datasetSha256: sha256 };
  const change = DefinitionChanged.encode(DefinitionChanged.fromPartial({ definition })).finish();
  const model = ModelVersionChanged.encode(ModelVersionChanged.fromPartial({ version })).finish();
  const record = (key: string, value: Uint8Array) => ({
    key: Buffer.from(key),
    value: Buffer.from(value),
    headers: {},
  });
  await registry.publisher('definitionsChanged').publish([record(`Monitor/${name}`, change)]);
  await registry.publisher('modelsChanged').publish([record(`${name}@1`, model)]);
  await registry.close();
}

async function startWatching(): Promise<Watching> {
  const settings = { ARTIFACTS_DIR: folder, WATCH_INTERVAL_MS: 100 };
  const metrics = monitorMetrics(new Metrics('test'));
  const started = new Watching(settings, log, clickhouse, predictions, metrics, quiet);
  await started.createTables();
  await started.start();
  return started;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 50));
}

beforeAll(async () => {
  clickhouse = connectClickHouse(getTestInfrastructure().CLICKHOUSE_URL, 'test');
  predictions = new PredictionLogStore(clickhouse);
  await predictions.createTables();
  let calls = 0;
  receiver = createServer((request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => (body += chunk.toString()));
    request.on('end', () => {
      calls += 1;
      if (calls > 1) received.push(JSON.parse(body) as (typeof received)[number]);
      response.writeHead(calls > 1 ? 200 : 500).end(); // the first one fails and has to come again
    });
  }).listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  const webhook = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/alerts`;
  const drift = { statistic: 'psi', windowMs: hourMs, threshold: 'auto', minRows: 100 } as const;
  const onBreach = { performance: [], drift: ['alert', 'retrain'], labels: [], freshness: [] } as const;
  await define({ name, endpoint: name, drift, webhook, onBreach }, await writeTrainingSet());
  await predict(startMs, 1_200, 0);
  await predict(startMs + 2 * hourMs, 400, 30);
  await log.consume({
    topic: 'alertsRaised',
    groupSuffix: name,
    delivery: 'at-least-once',
    maxRecords: 100,
    handler: async ({ records }) => {
      raised.push(...records.map(({ value }) => Alert.decode(value!)).filter(({ monitor }) => monitor === name));
      return undefined;
    },
  });
  watching = await startWatching();
}, 60_000);

afterAll(async () => {
  await watching.stop();
  await log.close();
  await clickhouse.close();
  receiver.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('watching an endpoint', () => {
  it('fires one alert for a feature that has drifted, and the webhook has it, though its first answer was an error', async () => {
    await until(() => raised.length > 0 && received.length > 0);
    expect(raised[0]).toMatchObject({ state: 'firing', breach: 'drift', endpoint: name, modelVersion: '1', endsMs: 0 });
    expect(raised[0]!.actions).toEqual(['alert', 'retrain']);
    expect(raised[0]!.features[0]).toBe('c');
    expect(raised[0]!.summary).toContain('c has drifted from the training set: psi ');
    expect(received[0]).toMatchObject({ status: 'firing', version: '4' });
    expect(received[0]!.alerts[0]).toMatchObject({
      fingerprint: raised[0]!.fingerprint,
      endsAt: '0001-01-01T00:00:00Z',
    });
  }, 30_000);

  it('ranks the feature first whose values have moved, with the PSI of the rows themselves', async () => {
    const found = await watching.handlers.drift({ endpoint: name, modelVersion: '', fromMs: 0, toMs: 0 });
    expect(found).toMatchObject({ modelVersion: '1', statistic: 'psi', rows: 400 });
    expect(found.features.map(({ feature }) => feature).sort()).toEqual(['a', 'c', 'score']);
    const rows = (shift: number, n: number) =>
      Float32Array.from({ length: n }, (_, i) => Math.fround(valueOf(2, i) + shift));
    const trained = rows(0, trainingRows - 100);
    const edges = quantileEdges(trained);
    const bins = coarsen(histogramOf(trained, edges), histogramOf(rows(30, 400), edges));
    expect(found.features[0]!.feature).toBe('c');
    expect(found.features[0]!.psi).toBeCloseTo(psi(bins.reference, bins.current), 9);
    expect(found.features.map(({ drifted }) => drifted)).toEqual([true, false, false]);
  });

  it('does not fire again after a restart, and resolves once when the drift is over', async () => {
    await watching.stop();
    watching = await startWatching();
    await predict(startMs + 6 * hourMs, 400, 0);
    await until(() => raised.length > 1 && received.length > 1);
    await until(
      async () => (await watching.handlers.alerts({ endpoint: name, firingOnly: true, limit: 0 })).alerts.length === 0,
    );
    expect(raised.map(({ state }) => state)).toEqual(['firing', 'resolved']);
    expect(received.map(({ status }) => status)).toEqual(['firing', 'resolved']);
    expect(raised[1]).toMatchObject({ fingerprint: raised[0]!.fingerprint, startsMs: raised[0]!.startsMs });
    const { alerts } = await watching.handlers.alerts({ endpoint: name, firingOnly: false, limit: 0 });
    expect(alerts.map(({ state }) => state)).toEqual(['resolved', 'firing']);
  }, 30_000);

  it('says of an endpoint that nobody knows, and of a version without predictions, that they are not there', async () => {
    const asked = { endpoint: 'nobody', modelVersion: '', fromMs: 0, toMs: 0 };
    await expect(watching.handlers.drift(asked)).rejects.toMatchObject({ code: 'not-found' });
    await expect(watching.handlers.drift({ ...asked, endpoint: name, modelVersion: '9' })).rejects.toMatchObject({
      code: 'not-found',
    });
  });
});

describe('the figures of an endpoint', () => {
  const model: ModelSpec = {
    name,
    task: 'binary',
    features: 'f',
    label: { stream: 's', value: 'v', join: 'k', horizonMs: hourMs },
    segments: [],
    owners: [],
  };
  const spec: MonitorSpec = {
    name: `${name}-figures`,
    endpoint: name,
    performance: { metric: 'logloss', windowMs: 24 * hourMs, maxIncrease: 0.1, minRows: 100 },
    labels: { maxMissing: 0.1 },
    freshness: { maxLagMs: hourMs },
    onBreach: { performance: ['alert'], drift: [], labels: [], freshness: [] },
  };

  it('are of labelled predictions, labels that should be there, and the newest labelled event', async () => {
    const second = startMs + 2 * hourMs;
    const labels = Array.from({ length: 300 }, (_, i) => ({
      model: name,
      joinKey: `${name}-${second}-${i}`,
      label: i % 2,
      labelledAtMs: second + 1_000,
      horizonMs: hourMs,
      sourcePartition: 0,
      sourceOffset: i,
    }));
    await predictions.insertLabels(labels, `${name}-labels`);
    const store = new WatchingStore(clickhouse);
    const versions = new Map([
      [`${name}@1`, ModelVersion.fromPartial({ model: name, version: '1', metrics: { 'validate.logloss': 0.3 } })],
    ]);
    const known = { models: new Map([[name, model]]), versions };
    const brought = new VersionReferences(new ArtifactStore(folder), versions, quiet);
    const keeper = new ReferenceKeeper(store, new ArtifactStore(folder), brought, quiet);
    const reader = new FiguresReader(store, predictions, keeper, brought, known);
    const figures = (await reader.readNew(spec))!;
    const scores = labels.map((_, i) => Math.fround(valueOf(3, i) / 100));
    const expected = logloss(
      scores,
      labels.map(({ label }) => label),
    );
    expect(figures.performance).toMatchObject({ rows: 300, toMs: second + 300, validation: 0.3 });
    expect(figures.performance!.value.value).toBeCloseTo(expected.value, 6);
    // The newest prediction is at 6 h: due are those of the day before 5 h.
    expect(figures.labels).toMatchObject({ due: 1_600, missing: 1_300 });
    expect(figures.newestEventMs).toBe(second + 1_000);
    const found = watchEndpoint(spec, figures);
    expect(found.map(({ breach, breached }) => [breach, breached])).toEqual([
      ['performance', true],
      ['missing-labels', true],
      ['freshness', false],
    ]);
    reader.seen(spec);
    expect(await reader.readNew(spec)).toBeUndefined(); // nothing is new
  });
});
