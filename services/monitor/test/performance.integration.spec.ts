import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { Reference } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { PredictionBlock } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { ModelVersion } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import type { ModelSpec, MonitorSpec } from '#libs/definitions/definition-kinds.js';
import { generator } from '#libs/numeric/generator.js';
import { calibrate } from '#libs/numeric/performance/calibration.js';
import { conceptDrift } from '#libs/numeric/performance/concept.js';
import { estimatedPerformance } from '#libs/numeric/performance/estimated.js';
import { ArtifactStore } from '#libs/storage/artifact-store.js';
import { connectClickHouse } from '#libs/storage/clickhouse.js';
import { Logger } from '#libs/telemetry/logger.js';
import { watchEndpoint } from '../src/domain/watch-endpoint.js';
import { PerformanceHandler } from '../src/inbound/performance.handler.js';
import { FiguresReader } from '../src/outbound/figures.reader.js';
import { PredictionLogStore } from '../src/outbound/prediction-log.store.js';
import { ReferenceKeeper } from '../src/outbound/reference.keeper.js';
import { VersionReferences } from '../src/outbound/version-references.js';
import { WatchingStore } from '../src/outbound/watching.store.js';

const name = `p-${randomUUID().slice(0, 8)}`;
const dayMs = 86_400_000;
const startMs = Date.UTC(2001, 5, 10);
const rows = 1_500;
const bins = Array.from({ length: 10 }, (_, k) => ({
  meanScore: (k + 0.5) / 10,
  meanLabel: (k + 0.5) / 10,
  rows: 500,
}));
const score = { name: 'score', edges: [0.25, 0.5], counts: [10, 20, 30], nulls: 0, deviation: 0.3 };
const folder = mkdtempSync(join(tmpdir(), 'millrace-performance-'));
const artifacts = new ArtifactStore(folder);
const quiet = new Logger('test', 'error', () => undefined);
const model: ModelSpec = {
  name,
  task: 'binary',
  features: 'f',
  label: { stream: 's', value: 'v', join: 'k', horizonMs: dayMs },
  segments: ['origin', 'gate'],
  owners: [],
};
const asked = { endpoint: name, fromMs: 0, toMs: 0, modelVersion: '', segment: '', stepMs: 0 };
const random = generator(7);
const scores = Float32Array.from({ length: rows }, () => random());
/** The second day's labels do not follow the scores any more. */
const labels = Array.from(scores, (p, i) => (random() < (i < rows / 2 ? p : 0.5) ? 1 : 0));

let clickhouse: ClickHouseClient;
let predictions: PredictionLogStore;
let references: VersionReferences;
let handler: PerformanceHandler;
const versions = new Map<string, ModelVersion>();

beforeAll(async () => {
  clickhouse = connectClickHouse(getTestInfrastructure().CLICKHOUSE_URL, 'test');
  predictions = new PredictionLogStore(clickhouse);
  await predictions.createTables();
  await new WatchingStore(clickhouse).createTables();
  const bytes = Reference.encode(Reference.fromPartial({ calibration: bins, score })).finish();
  const { sha256: referenceSha256 } = await artifacts.put(
    (async function* () {
      yield bytes;
    })(),
    1e6,
  );
  for (const [version, sha256] of [
    ['1', referenceSha256],
    ['2', ''],
  ] as const)
    versions.set(
      `${name}@${version}`,
      ModelVersion.fromPartial({ model: name, version, referenceSha256: sha256, datasetSha256: 'd' }),
    );
  references = new VersionReferences(artifacts, versions, quiet);
  handler = new PerformanceHandler(predictions, references, {
    endpoints: new Map([[name, name]]),
    models: new Map([[name, model]]),
  });
  const one = (i: number, score: number) => ({
    predictionId: `${name}-${i}`,
    endpoint: name,
    model: name,
    modelVersion: '1',
    asOfMs: startMs + (i < rows / 2 ? 0 : dayMs) + i * 1_000,
    joinKey: `${name}-${i}`,
    requestJson: Buffer.from(JSON.stringify({ origin: i % 3 === 0 ? 'ORD' : 'DEN', gate: i % 2 })),
    outputs: [score],
  });
  const block = PredictionBlock.fromPartial({
    walId: name,
    sequence: 1,
    predictions: [
      ...Array.from(scores, (p, i) => one(i, p)),
      { ...one(rows, 0.2), asOfMs: startMs, fallback: true, requestJson: Buffer.from('{"origin":"ORD"}') },
    ],
  });
  await predictions.insertBlocks([block], name);
  const known = labels.map((label, i) => ({
    model: name,
    joinKey: `${name}-${i}`,
    label,
    labelledAtMs: startMs + dayMs + i * 1_000,
    horizonMs: dayMs,
    sourcePartition: 0,
    sourceOffset: i,
  }));
  await predictions.insertLabels(
    known.filter((_, i) => i % 5 !== 0),
    `${name}-labels`,
  );
}, 60_000);

afterAll(async () => {
  await clickhouse.close();
  rmSync(folder, { recursive: true, force: true });
});

const calibrated = (places: readonly number[]) =>
  calibrate(
    Float64Array.from(places, (i) => scores[i]!),
    [bins],
    new Uint8Array(places.length),
  );
const everywhere = Array.from({ length: rows }, (_, i) => i);

describe('performance of an endpoint', () => {
  it('is realised on labelled rows, and estimated on all that the model answered, without fallbacks', async () => {
    const found = await handler.performance(asked);
    expect(found).toMatchObject({ predictions: rows + 1, labelled: (rows * 4) / 5, segments: [], windows: [] });
    const expected = estimatedPerformance(calibrated(everywhere));
    for (const metric of ['auc', 'logloss', 'brier', 'base_rate'] as const)
      for (const part of ['value', 'low', 'high'] as const)
        expect(found.estimated[metric]![part]).toBeCloseTo(expected[metric]![part], 6);
    const labelled = everywhere.filter((i) => i % 5 !== 0);
    const concept = conceptDrift(
      calibrated(labelled),
      labelled.map((i) => labels[i]!),
    )!;
    expect(found.concept!.value).toBeCloseTo(concept.value, 6);
    expect(found.concept!.low).toBeGreaterThan(0);
  });

  it('has a part for each value of a segment, most predictions first, of text and of numbers', async () => {
    const { segments } = await handler.performance({ ...asked, segment: 'origin' });
    expect(segments.map(({ segment, predictions }) => [segment, predictions])).toEqual([
      ['DEN', 1_000],
      ['ORD', 501],
    ]);
    const inDenver = estimatedPerformance(calibrated(everywhere.filter((i) => i % 3 !== 0)));
    expect(segments[0]!.estimated['auc']!.value).toBeCloseTo(inDenver.auc!.value, 6);
    expect(segments[0]!.metrics['logloss']!.high).toBeGreaterThan(segments[0]!.metrics['logloss']!.low);
    const gates = (await handler.performance({ ...asked, segment: 'gate' })).segments;
    expect(gates.map(({ segment }) => segment)).toEqual(['0', '1', '']); // the fallback has none
  });

  it('has a part for each window of as_of, oldest first: the second day is worse than its scores said', async () => {
    const { windows } = await handler.performance({ ...asked, stepMs: dayMs });
    expect(windows.map(({ fromMs, toMs }) => [fromMs, toMs])).toEqual([
      [startMs, startMs + dayMs],
      [startMs + dayMs, startMs + 2 * dayMs],
    ]);
    const [first, second] = windows.map(({ metrics, estimated }) => [metrics['auc']!, estimated['auc']!]);
    expect(first![0]!.value).toBeGreaterThan(first![1]!.low);
    expect(second![0]!.high).toBeLessThan(second![1]!.low);
  });

  it('refuses what it cannot answer, and names what would be right', async () => {
    await expect(handler.performance({ ...asked, segment: 'wind' })).rejects.toMatchObject({
      code: 'invalid-argument',
      message: `segment: wind is none of model ${name}; its segments are origin, gate`,
    });
    await expect(handler.performance({ ...asked, endpoint: 'nobody', segment: 'wind' })).rejects.toMatchObject({
      code: 'invalid-argument',
    });
    await expect(handler.performance({ ...asked, stepMs: 1 })).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringContaining('must be at most 1000'),
    });
    await expect(handler.performance({ ...asked, stepMs: -1 })).rejects.toMatchObject({ code: 'invalid-argument' });
  });
});

describe('watching concept drift', () => {
  const spec: MonitorSpec = {
    name,
    endpoint: name,
    concept: { windowMs: dayMs, margin: 0.05, minRows: 100 },
    onBreach: { performance: [], concept: ['retrain'], drift: [], labels: [], freshness: [] },
  };

  it('finds the day whose labels do not follow the scores, and the reference of the score is what the version brought', async () => {
    const store = new WatchingStore(clickhouse);
    const keeper = new ReferenceKeeper(store, artifacts, references, quiet);
    const known = { models: new Map([[name, model]]), versions };
    const reader = new FiguresReader(store, predictions, keeper, references, known);
    const figures = (await reader.readNew(spec))!;
    const [finding] = watchEndpoint(spec, figures);
    expect(finding).toMatchObject({ breach: 'concept', breached: true, threshold: 0.05 });
    expect(finding!.value).toBeGreaterThan(0.2);
    expect(figures.moved).toEqual([]); // no feature has a reference here
    const brought = await store.references(name, '1');
    expect(brought).toMatchObject([{ position: 0, edges: score.edges, counts: score.counts, deviation: 0.3 }]);
  });
});
