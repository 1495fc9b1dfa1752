import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import type { EncodedRecord } from '#libs/contracts/event-record.js';
import { connectPostgres } from '#libs/storage/postgres.js';
import { Logger } from '#libs/telemetry/logger.js';
import type { RunState } from '../src/domain/run.js';
import { LineageOutbox } from '../src/outbound/lineage.outbox.js';
import { PostgresRunStore } from '../src/outbound/postgres-run.store.js';
import { planOf } from './plan.js';

let pool: Pool;
let sent: string[] = [];
/** What the broker does with a send. */
let broker: 'takes' | 'takes, and is not heard' | 'is away' = 'takes';
const publisher = {
  publish: async (records: readonly EncodedRecord[]) => {
    if (broker === 'is away') throw new Error('away');
    sent.push(...records.map(({ value }) => value.toString()));
    if (broker !== 'takes') throw new Error('no answer');
    return new Map<number, number>();
  },
};
const context = () => ({ broker: 'kafka:9092', streams: ['s'], codeCommit: '' });
const open = () => {
  const outbox = new LineageOutbox(pool, publisher, context, new Logger('test', 'error'));
  return { outbox, store: new PostgresRunStore(pool, outbox) };
};

beforeAll(async () => {
  pool = await connectPostgres(getTestInfrastructure().POSTGRES_URL, `trainer_${randomUUID().slice(0, 8)}`);
  await open().store.createTables();
});
beforeEach(() => {
  sent = [];
  broker = 'takes';
});
afterAll(() => pool.end());

const typesOf = (texts: readonly string[]) =>
  texts.map((text) => (JSON.parse(text) as { eventType: string }).eventType);
async function until(holds: () => boolean): Promise<void> {
  for (const untilMs = Date.now() + 30_000; !holds(); await new Promise((resolve) => setTimeout(resolve, 20)))
    if (Date.now() > untilMs) throw new Error(`not within 30 s: ${JSON.stringify(sent)}`);
}
async function runThrough(store: PostgresRunStore, states: readonly RunState[]): Promise<void> {
  const { runId } = await store.create(randomUUID(), planOf('p'), 'manual', undefined);
  for (const state of states) await store.setRun(runId, { state });
}
const written = async (): Promise<number> =>
  Number((await pool.query<{ n: string }>('SELECT count(*) AS n FROM lineage_events')).rows[0]!.n);

it('each transition of a run is told once, however often its state is set; of a run that never began nothing is told', async () => {
  const { outbox, store } = open();
  outbox.start();
  await runThrough(store, ['running', 'running', 'succeeded', 'succeeded']);
  await runThrough(store, ['cancelled']);
  await runThrough(store, ['running', 'failed']);
  await runThrough(store, ['running', 'cancelled']);
  await until(() => sent.length >= 6);
  await outbox.stop();
  expect(typesOf(sent)).toEqual(['START', 'COMPLETE', 'START', 'FAIL', 'START', 'ABORT']);
}, 60_000);

it('what was written before a crash is published after it, and what was published already is published again as it was, byte for byte', async () => {
  broker = 'takes, and is not heard';
  const first = open();
  first.outbox.start();
  await runThrough(first.store, ['running', 'failed']);
  await until(() => typesOf(sent).includes('FAIL'));
  await first.outbox.stop();
  const before = [...new Set(sent)];
  expect(before).toHaveLength(2);
  sent = [];
  broker = 'takes';
  const second = open();
  second.outbox.start();
  await until(() => sent.length >= 2);
  await second.outbox.stop();
  expect(sent).toEqual(before);
}, 60_000);

it('a broker that is away is waited for, and holds no run up', async () => {
  broker = 'is away';
  const { outbox, store } = open();
  outbox.start();
  await runThrough(store, ['running', 'succeeded']);
  broker = 'takes';
  await until(() => sent.length >= 2);
  await outbox.stop();
  expect(typesOf(sent)).toEqual(['START', 'COMPLETE']);
}, 60_000);

it('a state that is not written is not told of', async () => {
  const { store } = open();
  const { runId } = await store.create(randomUUID(), planOf('p'), 'manual', undefined);
  const count = await written();
  await expect(store.setRun(runId, { state: 'running', error: 'a\0b' })).rejects.toThrow(/invalid byte sequence/);
  expect(await written()).toBe(count);
  expect((await store.get(runId))!.state).toBe('pending');
});
