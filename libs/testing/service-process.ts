import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { projectRoot } from '../storage/sql-file.js';

export const token = 'integration-test-token';

/** A built service as a process of its own, so that it can be killed. */
export interface ServiceProcess {
  readonly grpcAddress: string;
  readonly httpUrl: string;
  /** The lines of its log, parsed. */
  readonly log: Record<string, unknown>[];
  readonly pid: number;
  /** The sum of a metric over its labels. */
  metric(name: string): Promise<number>;
  kill(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>;
}

/** Starts a service on free ports of loopback unless its settings say where, with these settings of its own. Resolves when it is ready. */
export async function startService(
  name: string,
  brokers: string,
  settings: Readonly<Record<string, string>>,
): Promise<ServiceProcess> {
  const grpcAddress = settings['GRPC_LISTEN'] ?? `127.0.0.1:${await freePort()}`;
  const httpAddress = settings['HTTP_LISTEN'] ?? `127.0.0.1:${await freePort()}`;
  const child = spawn(process.execPath, [join(projectRoot(), `dist/services/${name}/src/main.js`)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env['PATH'],
      GRPC_LISTEN: grpcAddress,
      HTTP_LISTEN: httpAddress,
      KAFKA_BROKERS: brokers,
      MILLRACE_TOKEN: token,
      MILLRACE_TOKENS: `test=${token}`,
      MILLRACE_ROLES: 'test=admin',
      ...settings,
    },
  });
  const log: Record<string, unknown>[] = [];
  await started(name, child, log);
  return {
    grpcAddress,
    httpUrl: `http://${httpAddress}`,
    log,
    pid: child.pid!,
    metric: (metric) => readMetric(`http://${httpAddress}/metrics`, metric),
    kill: async (signal) => {
      const exited = once(child, 'exit');
      child.kill(signal);
      const [code] = (await exited) as [number | null];
      return code;
    },
  };
}

function started(name: string, child: ChildProcess, log: Record<string, unknown>[]): Promise<void> {
  return new Promise((resolve, reject) => {
    let rest = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) log.push(JSON.parse(line) as Record<string, unknown>);
      if (log.some(({ event }) => event === 'service_started')) resolve();
    });
    child.on('exit', (code) => reject(new Error(`${name} ended with ${code}: ${JSON.stringify(log)}`)));
  });
}

async function readMetric(url: string, name: string): Promise<number> {
  const response = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
  const lines = (await response.text()).split('\n').filter((line) => line.startsWith(`${name}{`));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

/** A port of loopback that nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
