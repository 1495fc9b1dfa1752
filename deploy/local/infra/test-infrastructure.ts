import { readFileSync } from 'node:fs';

/** Addresses of the servers that `npm test` starts for all integration tests. */
export interface TestInfrastructure {
  readonly KAFKA_BROKERS: string;
  readonly CLICKHOUSE_URL: string;
  readonly REDIS_URL: string;
  readonly POSTGRES_URL: string;
}

export function getTestInfrastructure(): TestInfrastructure {
  const file = process.env['MILLRACE_TEST_INFRA'];
  if (file === undefined) throw new Error('MILLRACE_TEST_INFRA names no file: run integration tests by `npm test`');
  return JSON.parse(readFileSync(file, 'utf8')) as TestInfrastructure;
}
