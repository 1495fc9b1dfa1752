import { type ChildProcess, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ClickHouseClient, createClient } from '@clickhouse/client';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { type MeshState, writeMeshState } from '#libs/boot/mesh-state.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { freePort, startService, token } from '#libs/testing/service-process.js';
import { type ServingStack, startServingStack } from '#libs/testing/serving-stack.js';
import type { BatchProgress } from '../src/domain/batch/batch-progress.js';

export interface Ended {
  /** Null = killed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A run as it is started. */
export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
}

/** A gateway, a worker, a feature store and a monitor as processes, with the mesh.json of a mesh that has no more; an endpoint whose score is the logistic of 0.5 a - b + 2 c. */
export interface BatchBench {
  readonly stack: ServingStack;
  readonly endpoint: string;
  /** For files of a test. */
  readonly folder: string;
  readonly clickhouse: ClickHouseClient;
  start(...words: string[]): Started;
  /** Runs to the end. */
  run(...words: string[]): Promise<Ended>;
  /** Of a run; undefined = it has written nothing down yet. */
  progress(runId: string): BatchProgress | undefined;
  stop(): Promise<void>;
}

export async function startBatchBench(gatewaySettings: Readonly<Record<string, string>>): Promise<BatchBench> {
  const { KAFKA_BROKERS: brokers, CLICKHOUSE_URL: clickhouseUrl, REDIS_URL } = getTestInfrastructure();
  const endpoint = `batch-${randomUUID().slice(0, 8)}`;
  const model = join(projectRoot(), 'services/inference-worker/test/fixtures/binary.onnx');
  const features = await startService('feature-store', brokers, {
    REDIS_URL,
    CLICKHOUSE_URL: clickhouseUrl,
    REGISTRY_ADDRESS: `127.0.0.1:${await freePort()}`, // nobody there; it is asked for training sets alone
  });
  const stack = await startServingStack({
    brokers,
    models: { [endpoint]: model },
    features: 3,
    workers: 1,
    gatewaySettings: { FEATURE_STORE_ADDRESS: features.grpcAddress, ...gatewaySettings },
  });
  const monitor = await startService('monitor', brokers, {
    CLICKHOUSE_URL: clickhouseUrl,
    ARTIFACTS_DIR: join(stack.folder, 'artifacts'),
  });
  const folder = mkdtempSync(join(tmpdir(), 'millrace-batch-'));
  const services = { 'inference-gateway': { grpc: stack.gateway.grpcAddress, http: '', log: '' } };
  writeMeshState(folder, { launcherPid: process.pid, token, services, clickhouseUrl } as unknown as MeshState);
  const clickhouse = createClient({ url: clickhouseUrl });
  const start = (...words: string[]): Started => startCli(folder, words);
  return {
    stack,
    endpoint,
    folder,
    clickhouse,
    start,
    run: (...words) => start(...words).ended,
    progress: (runId) => {
      const path = join(folder, 'batch', runId, 'progress.json');
      return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as BatchProgress) : undefined;
    },
    stop: async () => {
      await clickhouse.close();
      await stack.stop();
      await Promise.all([features.kill('SIGTERM'), monitor.kill('SIGTERM')]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function startCli(folder: string, words: readonly string[]): Started {
  const child = spawn(process.execPath, [join(projectRoot(), 'dist/services/cli/src/main.js'), ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], MILLRACE_DATA: folder },
  });
  const texts = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name]!.setEncoding('utf8').on('data', (text: string) => (texts[name] += text));
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, ...texts }));
  return { child, ended };
}

export interface Row {
  readonly id: string;
  readonly note: string;
  readonly features: readonly number[];
}

export function rowOf(n: number): Row {
  const features = [(n % 997) / 100, (n % 13) - 6, ((n % 31) - 15) / 10];
  return { id: `r${n}`, note: n % 3 === 0 ? `a "note", of ${n}\nin two lines` : '', features };
}

export function scoreOf({ features }: Row): number {
  const [a, b, c] = features as [number, number, number];
  return 1 / (1 + Math.exp(-(0.5 * a - b + 2 * c)));
}

/** Rows 1 to `count`. @param lineOf another line for some of them */
export function writeRows(path: string, count: number, lineOf = (n: number): string => JSON.stringify(rowOf(n))): void {
  const lines = Array.from({ length: count }, (_, i) => `${lineOf(i + 1)}\n`);
  writeFileSync(path, lines.join(''));
}
