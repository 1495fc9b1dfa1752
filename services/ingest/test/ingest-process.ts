import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { projectRoot } from '#libs/storage/sql-file.js';

export const token = 'integration-test-token';

/** The built service as a process of its own, so that it can be killed. */
export interface IngestProcess {
  readonly grpcAddress: string;
  readonly httpUrl: string;
  kill(signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null>;
}

/** Resolves when the service is ready. */
export async function startIngest(brokers: string, sourcesDir: string): Promise<IngestProcess> {
  const [grpcAddress, httpAddress] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
  const child = spawn(process.execPath, [join(projectRoot(), 'dist/services/ingest/src/main.js')], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      PATH: process.env['PATH'],
      GRPC_LISTEN: grpcAddress,
      HTTP_LISTEN: httpAddress,
      KAFKA_BROKERS: brokers,
      MILLRACE_TOKEN: token,
      MILLRACE_TOKENS: `test=${token}`,
      SOURCES_DIR: sourcesDir,
      MAX_WAITING_BYTES: String(2 ** 23),
    },
  });
  await started(child);
  return {
    grpcAddress,
    httpUrl: `http://${httpAddress}`,
    kill: async (signal) => {
      const exited = once(child, 'exit');
      child.kill(signal);
      const [code] = (await exited) as [number | null];
      return code;
    },
  };
}

function started(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let log = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      log += text;
      if (log.includes('"service_started"')) resolve();
    });
    child.on('exit', (code) => reject(new Error(`ingest ended with ${code}: ${log}`)));
  });
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('no port');
  return address.port;
}
