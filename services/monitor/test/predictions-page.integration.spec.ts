import { randomUUID } from 'node:crypto';
import type { ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import {
  ListPredictionsRequest,
  ListPredictionsResponse,
  type LoggedPrediction,
} from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { PredictionBlock } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { connectClickHouse } from '#libs/storage/clickhouse.js';
import { PredictionLogHandlers } from '../src/inbound/prediction-log.handlers.js';
import { PredictionLogStore } from '../src/outbound/prediction-log.store.js';
import { PredictionsReader } from '../src/outbound/predictions.reader.js';

const endpoint = `p-${randomUUID().slice(0, 8)}`;
const startMs = Date.UTC(2001, 5, 10);
const count = 97;
let clickhouse: ClickHouseClient;
let store: PredictionLogStore;
let handlers: PredictionLogHandlers;

/** Seven rows of each instant; ids in another order than they were made in. */
const rows = Array.from({ length: count }, (_, i) => ({
  predictionId: `${endpoint}/${(i * 31) % count}`,
  endpoint,
  model: endpoint,
  modelVersion: i % 4 === 0 ? '2' : '1',
  asOfMs: startMs + Math.floor(i / 7) * 1_000,
  answeredAtMs: startMs + 500_000 + i,
  joinKey: `k${i}`,
  stickyKey: `s${i % 3}`,
  requestJson: Buffer.from(`{"flight":"é ${i}"}`),
  features: Buffer.from(Float32Array.of(0.1, Number.NaN, Infinity, -1.5e-39).buffer),
  featureService: 'service',
  featureServiceDigest: i === 0 ? 'of another day' : 'digest',
  outputs: [Math.fround(i / count)],
  latencyUs: 40 + i,
  featuresUs: i,
  inferUs: 2 * i,
  explained: i === 10,
  caller: 'shop',
  fallback: i === 5,
  arm: i % 4 === 0 ? 'canary' : 'live',
  rolloutId: 'r1',
  rolloutStep: 1,
}));
const late = (asOfMs: number, name: string) => ({ ...rows[1]!, predictionId: `${endpoint}/${name}`, asOfMs });

beforeAll(async () => {
  clickhouse = connectClickHouse(getTestInfrastructure().CLICKHOUSE_URL, 'test');
  store = new PredictionLogStore(clickhouse);
  await store.createTables();
  const namesOf = (digest: string) => (digest === 'digest' ? ['a', 'b', 'c', 'd'] : []);
  const versions = new Map([[`${endpoint}@2`, { features: ['a'] }]]);
  handlers = new PredictionLogHandlers(new PredictionsReader(clickhouse), versions, { namesOf });
  await insert(rows, 1);
  const label = (i: number, value: number, afterMs: number, sourceOffset: number) => ({
    model: endpoint,
    joinKey: `k${i}`,
    label: value,
    labelledAtMs: rows[i]!.asOfMs + afterMs,
    horizonMs: 60_000,
    sourcePartition: 0,
    sourceOffset,
  });
  const tenth = rows.map((_, i) => i).filter((i) => i % 10 === 0);
  // The first label of a key counts; that of row 3 came too late.
  const labels = [...tenth.map((i) => label(i, 1, 1_000, i)), label(0, 0, 2_000, 500), label(3, 1, 61_000, 501)];
  await store.insertLabels(labels, `${endpoint}-labels`);
  // Row 3 has none of the stream, row 10 has one: that of the stream counts. Row 93 gets two, of which the newest counts.
  const told = [
    [3, 0, 1],
    [10, 0, 1],
    [93, 1, 2],
    [93, 0, 1],
  ] as const;
  const feedback = told.map(([i, label, givenAtMs], place) => ({
    feedbackId: `${endpoint}-f${place}`,
    predictionId: rows[i]!.predictionId,
    label,
    score: Number.NaN,
    givenAtMs,
  }));
  await store.insertBlocks([PredictionBlock.fromPartial({ walId: endpoint, sequence: 9, feedback })], `${endpoint}-9`);
});
afterAll(async () => clickhouse.close());

async function insert(predictions: typeof rows, sequence: number): Promise<void> {
  const block = PredictionBlock.fromPartial({ walId: endpoint, sequence, predictions });
  await store.insertBlocks([block], `${endpoint}-${sequence}`);
}

/** As a caller gets it. */
async function list(request: Partial<ListPredictionsRequest>): Promise<ListPredictionsResponse> {
  const answer = await handlers.list(ListPredictionsRequest.fromPartial({ endpoint, ...request }));
  return ListPredictionsResponse.decode(ListPredictionsResponse.encode(answer).finish());
}

async function allPages(request: Partial<ListPredictionsRequest>): Promise<LoggedPrediction[][]> {
  const pages: LoggedPrediction[][] = [];
  let before = '';
  do {
    const { predictions, next } = await list({ ...request, before });
    pages.push(predictions);
    before = next;
  } while (before !== '');
  return pages;
}

const idsOf = (pages: readonly (readonly { predictionId: string }[])[]) =>
  pages.flat().map(({ predictionId }) => predictionId);
const newestFirst = (kept: (row: (typeof rows)[number], i: number) => boolean) =>
  rows
    .filter(kept)
    .sort((a, b) => b.asOfMs - a.asOfMs || (a.predictionId < b.predictionId ? 1 : -1))
    .map(({ predictionId }) => predictionId);

describe('pages of the prediction log', () => {
  it('neither repeat nor skip rows, also among equal as_of, whatever their size', async () => {
    for (const limit of [3, 7, 96, 97, 98]) {
      const pages = await allPages({ limit });
      expect(idsOf(pages)).toEqual(newestFirst(() => true));
      expect(pages).toHaveLength(Math.ceil(count / limit));
    }
  }, 60_000);

  it('neither repeat nor skip rows while others come in', async () => {
    const first = await list({ limit: 30, toMs: startMs + 100_000 });
    await insert([late(startMs + 99_000, 'newer'), late(startMs + 1, 'older')], 2);
    const ids = idsOf([first.predictions]);
    for (let before = first.next; before !== '';) {
      const page = await list({ limit: 30, toMs: startMs + 100_000, before });
      ids.push(...idsOf([page.predictions]));
      before = page.next;
    }
    expect(ids.filter((id) => !id.endsWith('er'))).toEqual(newestFirst(() => true));
    expect(ids.filter((id) => id.endsWith('er'))).toEqual([`${endpoint}/older`]);
  });

  it('have each row as it was logged, with the names of its features where they are known', async () => {
    const [one] = (await list({ joinKey: 'k10' })).predictions;
    expect(one).toEqual({
      predictionId: rows[10]!.predictionId,
      endpoint,
      modelVersion: '1',
      arm: 'live',
      asOfMs: startMs + 1_000,
      answeredAtMs: startMs + 500_010,
      joinKey: 'k10',
      stickyKey: 's1',
      score: expect.closeTo(10 / count, 6),
      label: 1,
      labelSource: 'stream',
      requestJson: Buffer.from('{"flight":"é 10"}'),
      features: [Math.fround(0.1), Number.NaN, Infinity, Math.fround(-1.5e-39)],
      featureNames: ['a', 'b', 'c', 'd'],
      fallback: false,
      latencyUs: 50,
      featuresUs: 10,
      inferUs: 20,
      cached: false,
      explained: true,
      payloadSampledOut: false,
      caller: 'shop',
      rolloutId: 'r1',
      rolloutStep: 1,
    });
    expect((await list({ joinKey: 'k0' })).predictions[0]).toMatchObject({ label: 1, featureNames: [] });
    expect((await list({ joinKey: 'k3' })).predictions[0]).toMatchObject({ label: 0, labelSource: 'feedback' });
    expect((await list({ joinKey: 'k93' })).predictions[0]).toMatchObject({ label: 1, labelSource: 'feedback' });
    expect((await list({ joinKey: 'k4' })).predictions[0]).toMatchObject({ label: undefined, labelSource: '' });
  });

  it('have what each filter says, and only that', async () => {
    const known = (i: number) => i % 10 === 0 || i === 3 || i === 93;
    const filters: [Partial<ListPredictionsRequest>, (row: (typeof rows)[number], i: number) => boolean][] = [
      [{ modelVersion: '2' }, (row) => row.modelVersion === '2'],
      [{ arm: 'live' }, (row) => row.arm === 'live'],
      [{ stickyKey: 's2', arm: 'canary' }, (row, i) => i % 3 === 2 && row.arm === 'canary'],
      [{ fromMs: startMs + 2_000, toMs: startMs + 4_000 }, (_, i) => i >= 14 && i < 28],
      [{ predictionId: rows[4]!.predictionId }, (_, i) => i === 4],
      [{ label: 'known' }, (_, i) => known(i)],
      [{ label: 'missing', limit: 7 }, (_, i) => !known(i)],
      [{ minScore: rows[90]!.outputs[0]! }, (_, i) => i >= 90],
      [{ minScore: 0.1, maxScore: 0.2 }, (_, i) => i / count >= 0.1 && i / count <= 0.2],
      [{ fallbackOnly: true }, (_, i) => i === 5],
      [{ joinKey: "k1' OR 1 = 1 --" }, () => false],
    ];
    for (const [filter, kept] of filters) {
      const ids = idsOf(await allPages(filter)).filter((id) => !id.endsWith('er'));
      expect({ filter, ids }).toEqual({ filter, ids: newestFirst(kept) });
    }
  });

  it('end early rather than be too large for a caller', async () => {
    const large = Buffer.from(JSON.stringify({ text: 'x'.repeat(1_500_000) }));
    const many = [0, 1, 2].map((i) => ({ ...late(startMs + 200_000, `large-${i}`), requestJson: large }));
    await insert(many, 3);
    const pages = await allPages({ fromMs: startMs + 200_000 });
    expect(pages.map((page) => page.length)).toEqual([2, 1]);
  });

  it('are refused where a cursor is none', async () => {
    await expect(list({ before: 'bm9uZQ' })).rejects.toMatchObject({ code: 'invalid-argument' });
  });
});
