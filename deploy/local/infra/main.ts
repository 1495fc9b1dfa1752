import { renameSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { startInfrastructure } from './infrastructure.js';

/** Kafka, ClickHouse, Redis and Postgres alone, until SIGTERM or Ctrl-C: `main.js --data <folder> --write <file for the settings>`. */
const { values } = parseArgs({ options: { data: { type: 'string' }, write: { type: 'string' } } });
if (values.data === undefined || values.write === undefined)
  throw new Error('usage: main.js --data <folder> --write <file>');
const infrastructure = await startInfrastructure({
  dataDir: resolve(values.data),
  external: {},
  fresh: false,
  onProgress: (line) => console.error(line),
});
writeFileSync(`${values.write}.part`, JSON.stringify(infrastructure.settings), { mode: 0o600 });
renameSync(`${values.write}.part`, values.write);
let stopping = false;
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    infrastructure.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        console.error(error);
        process.exit(1);
      },
    );
  });
