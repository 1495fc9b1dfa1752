import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe } from '@jest/globals';
import type { Pool } from 'pg';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { connectPostgres } from '#libs/storage/postgres.js';
import { PostgresRunStore } from '../src/outbound/postgres-run.store.js';
import { PostgresTriggerStore } from '../src/outbound/postgres-trigger.store.js';
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
describe('triggers in Postgres', () => triggerStoreContract(async () => new PostgresTriggerStore(pool)));
