import { dirname, join } from 'node:path';

/** DATA_DIR of governance in integration tests: whoever starts it on the Postgres that they share signs the same log, and has to do so with the same key. */
export function governanceFolder(): string {
  const file = process.env['MILLRACE_TEST_INFRA'];
  if (file === undefined) throw new Error('MILLRACE_TEST_INFRA names no file: run integration tests by `npm test`');
  return join(dirname(file), 'governance');
}
