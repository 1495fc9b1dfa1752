import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import {
  Failure,
  Prediction,
  PredictionBlock,
  ShadowPrediction,
} from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { Metrics } from '#libs/telemetry/metrics.js';
import { WriteAheadLog } from '#libs/wal/write-ahead-log.js';
import { float32View } from '#libs/tensors/tensor-codec.js';
import type { Unlogged, UnloggedRows } from '../domain/ports.js';
import { inferenceGatewayMetrics } from '../inference-gateway.metrics.js';
import { WalPredictionLog } from './wal-prediction.log.js';

let folder: string;
let wal: WriteAheadLog;
let log: WalPredictionLog;
let registry: Metrics;

function open(maxBytes = 1e9): void {
  wal = new WriteAheadLog({ folder, maxBytes, fsync: false });
  registry = new Metrics('inference-gateway');
  log = new WalPredictionLog(wal, inferenceGatewayMetrics(registry));
}
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wal-log-'));
});
afterEach(async () => {
  await wal.close();
  rmSync(folder, { recursive: true });
});

const row = (more: Partial<Prediction>): Unlogged => ({
  prediction: Prediction.fromPartial({ endpoint: 'late', modelVersion: '3', arm: 'live', ...more }),
  snapshot: [],
  startedMs: 0,
});
const unmirrored = (reason: string, rows: number) => ({
  endpoint: 'late',
  rolloutId: 'r',
  rolloutStep: 0,
  reason,
  rows,
  atMs: 1,
});
const blocks = async (): Promise<PredictionBlock[]> =>
  (await wal.readAfter(0, 1e6)).map(({ payload }) => PredictionBlock.decode(payload));
const counted = async (name: string): Promise<string[]> =>
  (await registry.registry.getSingleMetricAsString(`millrace_inference_gateway_${name}`))
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .map((line) => line.replace(/.*\{(.*),service=.*\} /, '$1 '));

it('keeps notes in blocks of their own, in the order of the log, with equal counts added up', async () => {
  open();
  const ids = await log.keep([row({}), row({ arm: 'canary', modelVersion: '4' })]);
  log.note({ shadows: [ShadowPrediction.fromPartial({ primaryId: ids[0]!, endpoint: 'late', modelVersion: '4' })] });
  log.note({ unmirrored: [unmirrored('queue-full', 2)] });
  log.note({ unmirrored: [unmirrored('queue-full', 3), unmirrored('shutdown', 1)] });
  log.note({
    failures: [Failure.fromPartial({ endpoint: 'late', modelVersion: '4', arm: 'canary', code: 'internal' })],
  });
  await log.close();
  const [answers, notes, ...more] = await blocks();
  expect(more).toEqual([]);
  expect([answers!.sequence, answers!.predictions.length, answers!.shadows.length]).toEqual([1, 2, 0]);
  expect([notes!.sequence, notes!.walId, notes!.predictions.length]).toEqual([2, wal.id, 0]);
  expect(notes!.shadows[0]!.primaryId).toBe(ids[0]);
  expect(notes!.failures).toHaveLength(1);
  expect(notes!.unmirrored.map(({ reason, rows }) => [reason, rows])).toEqual([
    ['queue-full', 5],
    ['shutdown', 1],
  ]);
});

it('counts rows by arm, and what is noted', async () => {
  open();
  await log.keep([row({}), row({ arm: 'canary', modelVersion: '4' }), row({})]);
  await log.keep([row({ arm: 'canary', modelVersion: '4' })]);
  log.note({ unmirrored: [unmirrored('queue-full', 5)] });
  await log.close();
  expect(await counted('predictions_total')).toEqual([
    'endpoint="late",model_version="3",arm="live" 2',
    'endpoint="late",model_version="4",arm="canary" 2',
  ]);
  expect(await counted('unmirrored_total')).toEqual(['endpoint="late",reason="queue-full" 5']);
  const latencies = await registry.registry.getSingleMetricAsString('millrace_inference_gateway_latency_seconds');
  expect([...latencies.matchAll(/_count\{.*arm="(\w+)".* (\d+)$/gm)].map(([, arm, n]) => `${arm} ${n}`)).toEqual([
    'mixed 1',
    'canary 1',
  ]);
});

it('keeps the row of every prediction, and request and features of those that the sample of their endpoint takes', async () => {
  open();
  const whole = { requestJson: Buffer.from('{"a":1}'), features: Buffer.alloc(4), outputs: [0.5] };
  const ids = await log.keep(Array.from({ length: 400 }, () => ({ ...row(whole), payloadShare: 0.1 })));
  await log.keep([row(whole)]);
  const [some, all] = await blocks();
  expect(some!.predictions.map(({ predictionId }) => predictionId)).toEqual(ids);
  const out = some!.predictions.filter(({ payloadSampledOut }) => payloadSampledOut);
  expect(out.length).toBeGreaterThan(300);
  expect(out.length).toBeLessThan(400);
  for (const { requestJson, features, outputs } of out)
    expect([requestJson.length, features.length, outputs]).toEqual([0, 0, [0.5]]);
  for (const one of some!.predictions.filter(({ payloadSampledOut }) => !payloadSampledOut))
    expect(one.requestJson.toString()).toBe('{"a":1}');
  expect(all!.predictions[0]).toMatchObject({ payloadSampledOut: false, requestJson: whole.requestJson });
});

it('tells what requests of a block share once, and what is their own of each', async () => {
  open();
  const requestJson = Buffer.from('{}');
  const asked = ['3', '3', '4', '4', '3'].map((modelVersion, i): UnloggedRows => {
    const shared = { endpoint: 'late', modelVersion, arm: 'live', requestJson, requestId: `r${i}`, asOfMs: i + 1 };
    const outputs = Float32Array.of(i);
    return { shared: Prediction.create(shared), rows: 1, features: Buffer.alloc(0), outputs, startedMs: 0 };
  });
  for (const { shared } of asked) shared.requestJson = requestJson;
  await Promise.all(asked.map((one) => log.keepRows(one)));
  const [{ rows }] = (await blocks()) as [PredictionBlock];
  expect(rows.map(({ like }) => like)).toEqual([0, 1, 0, 3, 0]);
  expect(rows.map(({ shared }) => [shared!.modelVersion, shared!.requestId, shared!.asOfMs])).toEqual([
    ['3', 'r0', 1],
    ['', 'r1', 2],
    ['4', 'r2', 3],
    ['', 'r3', 4],
    ['3', 'r4', 5],
  ]);
  expect(await counted('predictions_total')).toEqual([
    'endpoint="late",model_version="3",arm="live" 3',
    'endpoint="late",model_version="4",arm="live" 2',
  ]);
});

it('keeps the rows of requests in one block a turn, packed, with ids that count through the block', async () => {
  open();
  const packed = (outputs: Float32Array, requestId: string): UnloggedRows => ({
    shared: Prediction.fromPartial({ endpoint: 'late', modelVersion: '3', arm: 'live', requestId }),
    rows: outputs.length,
    features: Buffer.alloc(8 * outputs.length, 1),
    outputs,
    startedMs: 0,
  });
  const asked = [Float32Array.of(0.5, 0.25), Float32Array.of(0.75)];
  const ids = await Promise.all(asked.map((outputs, i) => log.keepRows(packed(outputs, `r${i}`))));
  const block = `${wal.id}-1`;
  expect(ids).toEqual([
    { block, first: 0 },
    { block, first: 2 },
  ]);
  const [kept, ...more] = await blocks();
  expect(more).toEqual([]);
  expect(kept!.rows.map(({ shared, first, rows }) => [shared!.requestId, first, rows])).toEqual([
    ['r0', 0, 2],
    ['r1', 2, 1],
  ]);
  expect(kept!.rows.map(({ outputs }) => [...float32View(outputs)])).toEqual(asked.map((outputs) => [...outputs]));
  expect(kept!.rows[0]!.shared!.latencyUs).toBeGreaterThan(0);
  expect(kept!.rows[0]!.features).toHaveLength(16);
  expect(await counted('predictions_total')).toEqual(['endpoint="late",model_version="3",arm="live" 3']);
});

it('refuses to answer when it is full, says why and what to look at, and counts it', async () => {
  open(2_000);
  const many = Array.from({ length: 50 }, () => row({ requestJson: Buffer.alloc(100) }));
  const ids = await log.keep(many);
  expect(ids).toHaveLength(50);
  await expect(log.keep([row({})])).rejects.toMatchObject({
    code: 'unavailable',
    message: expect.stringMatching(
      /^the prediction log holds \d+ bytes that could not be shipped \(bound 2000\): is Kafka away\?$/,
    ),
  });
  const rows = { shared: Prediction.create(), rows: 3, features: Buffer.alloc(0), outputs: new Float32Array(3) };
  await expect(log.keepRows({ ...rows, startedMs: 0 })).rejects.toMatchObject({ code: 'unavailable' });
  expect((await counted('unkept_predictions_total'))[0]).toMatch(/ 4$/);
  await wal.markShipped(1);
});

it('counts notes that the log does not take, and goes on', async () => {
  open(1);
  await wal.append(Buffer.from('full'));
  log.note({ unmirrored: [unmirrored('queue-full', 5)] });
  await log.close();
  expect((await counted('unkept_notes_total'))[0]).toMatch(/ 1$/);
});
