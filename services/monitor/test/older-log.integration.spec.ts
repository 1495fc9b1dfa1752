import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ClickHouseClient } from '@clickhouse/client';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startClickHouse } from '#deploy/local/infra/clickhouse.process.js';
import { LocalFolder } from '#deploy/local/infra/local-folder.js';
import type { SupervisedProcess } from '#deploy/local/infra/supervised-process.js';
import { PredictionBlock } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { connectClickHouse } from '#libs/storage/clickhouse.js';
import { PredictionLogStore } from '../src/outbound/prediction-log.store.js';

let folder: string;
let server: SupervisedProcess;
let clickhouse: ClickHouseClient;
let store: PredictionLogStore;

/** A server of its own: a table that loses columns is nobody else's. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-older-log-'));
  const started = await startClickHouse(new LocalFolder(folder));
  server = started.process;
  clickhouse = connectClickHouse(started.url, 'test');
  store = new PredictionLogStore(clickhouse);
  await store.createTables();
}, 120_000);
afterAll(async () => {
  await clickhouse?.close();
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

it('a log that was begun before there were rollouts and traces gets their columns, in the view too, and keeps its rows', async () => {
  const prediction = { endpoint: 'late', arm: 'canary', rolloutId: 'r', traceId: 't', outputs: [0.5], asOfMs: 1 };
  const block = (sequence: number) =>
    PredictionBlock.fromPartial({
      walId: 'w',
      sequence,
      predictions: [{ ...prediction, predictionId: `w-${sequence}`, requestJson: Buffer.from('{}') }],
    });
  await store.insertBlocks([block(1)], '1');
  for (const column of ['arm', 'rollout_id', 'rollout_step', 'trace_id'])
    await clickhouse.command({ query: `ALTER TABLE monitoring.predictions DROP COLUMN ${column}` });
  await store.createTables();
  await store.insertBlocks([block(2)], '2');
  const query = 'SELECT arm, rollout_id, trace_id, label FROM monitoring.predictions_labelled ORDER BY log_sequence';
  expect(await (await clickhouse.query({ query, format: 'JSONEachRow' })).json()).toEqual([
    { arm: 'live', rollout_id: '', trace_id: '', label: null },
    { arm: 'canary', rollout_id: 'r', trace_id: 't', label: null },
  ]);
}, 60_000);
