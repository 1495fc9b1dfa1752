import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { GRPCInferenceServiceClient, ModelInferRequest } from '#libs/contracts/generated/inference/v2/inference.js';
import {
  GetPerformanceRequest,
  type GetPerformanceResponse,
  MonitorClient,
} from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import {
  GiveFeedbackRequest,
  PredictionBlock,
  PredictionFeedbackClient,
} from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { KafkaMessageLog } from '#libs/messaging/kafka-message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { connectClickHouse } from '#libs/storage/clickhouse.js';
import { Logger } from '#libs/telemetry/logger.js';
import { type ServiceProcess, startService, token } from '#libs/testing/service-process.js';
import { until } from '#libs/testing/until.js';
import { WriteAheadLog } from '#libs/wal/write-ahead-log.js';
import { type GatewayBench, startGatewayBench, strangersToken } from './gateway-bench.js';

const rows = 40;
const folder = mkdtempSync(join(tmpdir(), 'millrace-feedback-'));
let bench: GatewayBench;
let monitor: ServiceProcess;
let clickhouse: ClickHouseClient;
let inference: Peer<GRPCInferenceServiceClient>;
let feedback: Peer<PredictionFeedbackClient>;
let reader: Peer<MonitorClient>;
let ids: string[];

/** A gateway and a monitor as processes, on real Kafka and ClickHouse. Row i has the score i / 1000. */
beforeAll(async () => {
  const { KAFKA_BROKERS, CLICKHOUSE_URL } = getTestInfrastructure();
  clickhouse = connectClickHouse(CLICKHOUSE_URL, 'test');
  bench = await startGatewayBench({ DATA_DIR: folder });
  const registry = new KafkaMessageLog('registry', [KAFKA_BROKERS], new Wiring(), new Logger('registry', 'error'));
  await registry.ensureTopics([{ id: 'modelsChanged' }, { id: 'rolloutsChanged' }]);
  await registry.close();
  monitor = await startService('monitor', KAFKA_BROKERS, { CLICKHOUSE_URL, ARTIFACTS_DIR: folder });
  inference = new Peer(GRPCInferenceServiceClient, 'gateway', bench.gateway.grpcAddress, token);
  feedback = new Peer(PredictionFeedbackClient, 'gateway', bench.gateway.grpcAddress, token);
  reader = new Peer(MonitorClient, 'monitor', monitor.grpcAddress, token);
  const minute = { intContents: Array.from({ length: rows }, (_, i) => i) };
  const inputs = [{ name: 'minute', datatype: 'INT32', shape: [rows], contents: minute }];
  const asked = ModelInferRequest.fromPartial({ modelName: bench.single, inputs });
  const { outputs, rawOutputContents } = await inference.call((stub) => stub.modelInfer, asked, 5_000);
  ids = strings(rawOutputContents[outputs.findIndex(({ name }) => name === 'prediction_id')]!);
}, 120_000);

afterAll(async () => {
  for (const peer of [inference, feedback, reader]) (peer as Peer<never> | undefined)?.close();
  await (monitor as ServiceProcess | undefined)?.kill('SIGTERM');
  await (bench as GatewayBench | undefined)?.stop();
  await clickhouse?.close();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

/** BYTES: each after its length, uint32 little-endian. */
function strings(raw: Buffer): string[] {
  const found: string[] = [];
  for (let at = 0; at < raw.length; at += 4 + raw.readUInt32LE(at))
    found.push(raw.toString('utf8', at + 4, at + 4 + raw.readUInt32LE(at)));
  return found;
}

const performance = (): Promise<GetPerformanceResponse> =>
  reader.call((stub) => stub.getPerformance, GetPerformanceRequest.fromPartial({ endpoint: bench.single }), 5_000);

async function untilLabelled(holds: (found: GetPerformanceResponse) => boolean): Promise<GetPerformanceResponse> {
  let found = await performance();
  await until(async () => holds((found = await performance())), 'performance as fed back');
  return found;
}

const give = (items: object[], asking = feedback) =>
  asking.call((stub) => stub.give, GiveFeedbackRequest.fromPartial({ items }), 5_000);

async function post(body: unknown, asking = token, method = 'POST'): Promise<{ status: number; json: unknown }> {
  const response = await fetch(`${bench.gateway.httpUrl}/v2/feedback`, {
    method,
    headers: { authorization: `Bearer ${asking}` },
    ...(method === 'POST' ? { body: typeof body === 'string' ? body : JSON.stringify(body) } : {}),
  });
  return { status: response.status, json: await response.json() };
}

describe('feedback', () => {
  it('given over gRPC and REST labels predictions, and performance is measured by it; the newest counts', async () => {
    expect(await untilLabelled(({ predictions }) => predictions === rows)).toMatchObject({ labelled: 0, metrics: {} });
    // The wrong way round first: low scores came true.
    const told = ids.map((prediction_id, i) => ({ prediction_id, label: i < rows / 2 ? 1 : 0 }));
    const half = told.slice(0, rows / 2).map(({ prediction_id, label }) => ({ predictionId: prediction_id, label }));
    const { feedbackIds } = await give(half);
    expect(new Set(feedbackIds).size).toBe(rows / 2);
    for (const id of feedbackIds) expect(id).toMatch(/^[0-9a-f]{12}-\d+-f\d+$/);
    const answer = await post({ items: told.slice(rows / 2) });
    expect(answer).toMatchObject({ status: 200, json: { feedback_ids: expect.any(Array) } });
    const first = await untilLabelled(({ labelled }) => labelled === rows);
    expect(first.metrics['auc']!.value).toBe(0);
    expect(first.metrics['base_rate']!.value).toBe(0.5);
    await post({ items: told.map(({ prediction_id, label }) => ({ prediction_id, label: 1 - label })) });
    const second = await untilLabelled(({ metrics }) => metrics['auc']!.value > 0.5);
    expect([second.labelled, second.metrics['auc']!.value]).toEqual([rows, 1]);
  }, 60_000);

  it('is in the log once, with who gave it, words and scores too; that without a label labels nothing', async () => {
    await give([{ predictionId: ids[0], score: 4.5, comment: 'as I had hoped – ü' }]);
    const query = `SELECT feedback_id, toUInt32(count()) AS times, any(caller) AS caller, any(comment) AS comment, any(score) AS score
      FROM monitoring.feedback WHERE prediction_id IN {ids: Array(String)} GROUP BY feedback_id ORDER BY comment DESC`;
    const read = async (): Promise<{ times: number; comment: string }[]> =>
      (await clickhouse.query({ query, query_params: { ids }, format: 'JSONEachRow' })).json();
    await until(async () => (await read())[0]?.comment !== '', 'the words are in the log');
    const found = await read();
    expect(found).toHaveLength(2 * rows + 1);
    expect(found.filter(({ times }) => times !== 1)).toEqual([]);
    expect(found[0]).toMatchObject({ caller: 'test', comment: 'as I had hoped – ü', score: 4.5 });
    expect((await performance()).labelled).toBe(rows);
  }, 60_000);

  it('that is no 0 or 1 does not label a binary model', async () => {
    await give([{ predictionId: ids[0], label: 0.7 }]);
    const { labelled } = await untilLabelled((found) => found.labelled < rows);
    expect(labelled).toBe(rows - 1);
    await give([{ predictionId: ids[0], label: 0 }]);
    await untilLabelled((found) => found.labelled === rows);
  }, 60_000);

  it.each([
    ['no JSON', '{', 'body: expected JSON'],
    ['no items', { prediction_id: 'a' }, 'body: expected an object with items'],
    ['a field that is none', { items: [{ prediction_id: 'a', lable: 1 }] }, 'items[0].lable: unknown, an item has'],
    ['text for a label', { items: [{ prediction_id: 'a', label: '1' }] }, 'items[0].label: "1" is not a number'],
    ['an id that is none', { items: [{ prediction_id: 'a', label: 1 }] }, '"a" is no id of a prediction'],
    ['nothing', { items: [] }, 'items: 0 of them'],
  ])('with %s is refused in words', async (_, body, words) => {
    expect(await post(body)).toEqual({ status: 400, json: { error: expect.stringContaining(words) } });
  });

  it('needs a right of its own: who may predict may not label', async () => {
    const stranger = new Peer(PredictionFeedbackClient, 'gateway', bench.gateway.grpcAddress, strangersToken);
    const items = [{ predictionId: ids[0], label: 1 }];
    await expect(give(items, stranger)).rejects.toMatchObject({
      code: 'permission-denied',
      message: expect.stringContaining('may not publish feedback/*'),
    });
    stranger.close();
    expect(await post({ items: [{ prediction_id: ids[0], label: 1 }] }, strangersToken)).toMatchObject({ status: 403 });
  });

  // Last: it ends the gateway.
  it('that was answered is kept when the gateway is killed with -9', async () => {
    const { feedbackIds } = await give([{ predictionId: ids[1], comment: 'kept' }]);
    await bench.gateway.kill('SIGKILL');
    const wal = new WriteAheadLog({ folder: join(folder, 'wal'), maxBytes: 1e9, fsync: false });
    const entries = await wal.readAfter(Number(feedbackIds[0]!.split('-')[1]) - 1, 1);
    const block = PredictionBlock.decode(entries[0]!.payload);
    expect(block.feedback).toMatchObject([{ feedbackId: feedbackIds[0], predictionId: ids[1], comment: 'kept' }]);
    await wal.close();
  }, 30_000);
});
