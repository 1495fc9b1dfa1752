import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { header, readHttpQuery, RequestError } from './http-request.js';
import { SessionPool } from './session-pool.js';

/**
 * The ClickHouse engine behind the ClickHouse HTTP interface, for a machine without a ClickHouse server.
 * Settings: DATA_DIR, PORT, CLICKHOUSE_USER, CLICKHOUSE_PASSWORD; UV_THREADPOOL_SIZE must exceed the number of sessions.
 */
const required = (name: string): string => {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set`);
  return value;
};
const user = required('CLICKHOUSE_USER');
const password = required('CLICKHOUSE_PASSWORD');
const pool = new SessionPool(required('DATA_DIR'), 6);
const compress = promisify(gzip);

const server = createServer((message, response) => {
  answer(message, response).catch((error: unknown) => fail(response, error));
});
server.keepAliveTimeout = 10_000;
server.listen(Number(required('PORT')), '127.0.0.1');
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => process.exit(0));

async function answer(message: IncomingMessage, response: ServerResponse): Promise<void> {
  if (message.url === '/ping') return void response.end('Ok.\n');
  if (!isKnown(message))
    throw new RequestError(
      403,
      516,
      'Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)',
    );
  const query = await readHttpQuery(message);
  const startedNs = process.hrtime.bigint();
  const result = await pool.run(query.request);
  const bytes = result.bytes();
  const written = query.request.insert === undefined ? 0 : result.rowsRead;
  response.setHeader('X-ClickHouse-Query-Id', query.queryId);
  response.setHeader('X-ClickHouse-Format', query.format);
  response.setHeader('X-ClickHouse-Timezone', 'UTC');
  response.setHeader('X-ClickHouse-Server-Display-Name', 'millrace-local');
  response.setHeader(
    'X-ClickHouse-Summary',
    JSON.stringify({
      read_rows: String(result.rowsRead),
      read_bytes: String(result.bytesRead),
      written_rows: String(written),
      written_bytes: '0',
      result_rows: '0',
      elapsed_ns: String(process.hrtime.bigint() - startedNs),
    }),
  );
  if (!query.gzip) return void response.end(bytes);
  response.setHeader('Content-Encoding', 'gzip');
  response.end(await compress(bytes, { level: 1 }));
}

function isKnown(message: IncomingMessage): boolean {
  const url = new URL(message.url ?? '/', 'http://clickhouse');
  const basic = /^Basic (.+)$/i.exec(message.headers.authorization ?? '')?.[1];
  const [basicUser, ...basicRest] = basic === undefined ? [] : Buffer.from(basic, 'base64').toString().split(':');
  const givenUser = header(message, 'x-clickhouse-user') ?? basicUser ?? url.searchParams.get('user');
  const givenPassword =
    header(message, 'x-clickhouse-key') ??
    (basic === undefined ? url.searchParams.get('password') : basicRest.join(':'));
  return givenUser === user && givenPassword === password;
}

const statusByCode: Record<number, number> = {
  60: 404,
  81: 404,
  516: 403,
  497: 403,
  202: 503,
  159: 408,
  241: 500,
  252: 500,
};

function fail(response: ServerResponse, error: unknown): void {
  const text = (error instanceof Error ? error.message : String(error)).replace(/^Query failed: /, '');
  const code = Number(/Code: (\d+)/.exec(text)?.[1] ?? 1002);
  const status = error instanceof RequestError ? error.status : (statusByCode[code] ?? (code === 1002 ? 500 : 400));
  if (response.headersSent) return void response.destroy();
  response.writeHead(status, {
    'X-ClickHouse-Exception-Code': String(code),
    'Content-Type': 'text/plain; charset=UTF-8',
  });
  response.end(`${text}\n`);
}
