import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { connectPostgres } from '#libs/storage/postgres.js';
import { PostgresAlertStore } from '../src/outbound/postgres-alert.store.js';
import { PostgresRunStore } from '../src/outbound/postgres-run.store.js';
import { PostgresTriggerStore } from '../src/outbound/postgres-trigger.store.js';
import { alertStoreContract } from './alert-store.contract.js';
import { runStoreContract } from './run-store.contract.js';
import { triggerStoreContract } from './trigger-store.contract.js';

let pool: Pool;
let store: PostgresRunStore;
beforeAll(async () => {
  pool = await connectPostgres(getTestInfrastructure().POSTGRES_URL, `trainer_${randomUUID().slice(0, 8)}`);
  store = new PostgresRunStore(pool);
  await Promise.all([store.createTables(), store.createTables()]); // two processes may start at once
});
afterAll(async () => {
  await pool.end();
});

describe('runs in Postgres', () => runStoreContract(async () => store));
describe('triggers in Postgres', () => {
  triggerStoreContract(async () => new PostgresTriggerStore(pool));

  it('of before attempts were kept are the first about their occasion', async () => {
    await pool.query('DROP INDEX triggers_of_occasion');
    await pool.query('ALTER TABLE triggers DROP COLUMN occasion, DROP COLUMN attempt');
    await pool.query(
      `INSERT INTO triggers (trigger_key, pipeline, reason, summary, decision, because, run_id, decided_ms)
       VALUES ('old/alert/f1/1000', 'old', 'drift', 'psi of x is 0.4', 'cool-down', 'too recent', '', 5)`,
    );
    await store.createTables();
    const kept = new PostgresTriggerStore(pool);
    const first = await kept.latest('old', 'alert/f1/1000');
    expect(first).toMatchObject({ triggerKey: 'old/alert/f1/1000', attempt: 1, decision: 'cool-down', decidedMs: 5 });
    await kept.add({ ...first!, triggerKey: 'old/alert/f1/1000/2', attempt: 2, decision: 'budget' });
    await store.createTables();
    expect(await kept.latest('old', 'alert/f1/1000')).toMatchObject({ attempt: 2, decision: 'budget' });
  });
});
describe('alerts in Postgres', () => alertStoreContract(async () => new PostgresAlertStore(pool)));
