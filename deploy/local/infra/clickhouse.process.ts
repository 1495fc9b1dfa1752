import { randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readJsonFile } from '#libs/storage/json-file.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import type { LocalFolder } from './local-folder.js';
import { SupervisedProcess } from './supervised-process.js';

/** The ClickHouse engine behind its HTTP interface, in a process of its own. */
export async function startClickHouse(
  folder: LocalFolder,
): Promise<{ address: string; url: string; process: SupervisedProcess }> {
  const port = await folder.port('clickhouse', 28123);
  const password = localPassword(folder, 'clickhouse');
  const data = folder.data('clickhouse');
  const process = new SupervisedProcess({
    name: 'clickhouse',
    command: globalThis.process.execPath,
    args: ['--enable-source-maps', join(projectRoot(), 'dist/deploy/local/clickhouse/server.main.js')],
    env: {
      DATA_DIR: data,
      PORT: String(port),
      CLICKHOUSE_USER: 'millrace',
      CLICKHOUSE_PASSWORD: password,
      UV_THREADPOOL_SIZE: '24',
      TZ: 'UTC',
    },
    cwd: data,
    logFile: folder.log('clickhouse'),
    pidFile: folder.pid('clickhouse'),
    restart: true,
    ready: () => answers(port),
    readyTimeoutMs: 60_000,
    stopGraceMs: 5_000,
  });
  await process.start();
  return { address: `127.0.0.1:${port}`, url: `http://millrace:${password}@127.0.0.1:${port}`, process };
}

async function answers(port: number): Promise<boolean> {
  try {
    return (await fetch(`http://127.0.0.1:${port}/ping`)).ok;
  } catch {
    return false; // not up yet: the caller asks again
  }
}

/** Of this data folder only; made once. */
export function localPassword(folder: LocalFolder, name: string): string {
  const path = join(folder.root, 'infra-secrets.json');
  const known = existsSync(path) ? readJsonFile<Record<string, string>>(path) : {};
  known[name] ??= randomBytes(18).toString('base64url');
  writeFileSync(path, JSON.stringify(known), { mode: 0o600 });
  return known[name];
}
