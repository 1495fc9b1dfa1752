import type { IncomingMessage } from 'node:http';
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { decodeParameter, namedFormat, takeInsertApart } from './statement.js';
import type { EngineRequest } from './session-pool.js';

/** What the protocol itself uses; everything else in the query string is a setting of the engine. */
const ownNames = new Set(
  (
    'query database default_format query_id session_id session_timeout session_check compress decompress user password role quota_key client_protocol_version ' +
    'cancel_http_readonly_queries_on_client_close send_progress_in_http_headers wait_end_of_query buffer_size enable_http_compression http_zlib_compression_level http_headers_progress_interval_ms'
  ).split(' '),
);
const settingName = /^[a-z][a-z0-9_]*$/i;

export const maxBodyBytes = 256 * 1024 * 1024;

export class RequestError extends Error {
  constructor(
    readonly status: number,
    readonly code: number,
    message: string,
  ) {
    super(`Code: ${code}. DB::Exception: ${message}`);
  }
}

export interface HttpQuery {
  readonly request: EngineRequest;
  readonly queryId: string;
  readonly format: string;
  readonly gzip: boolean;
}

/** A request of the ClickHouse HTTP interface: the statement from the query string, the body, or the first in the string and the rest in the body. */
export async function readHttpQuery(message: IncomingMessage): Promise<HttpQuery> {
  const url = new URL(message.url ?? '/', 'http://clickhouse');
  const values = new Map(url.searchParams);
  let body: Buffer = decompress(await readBody(message), message.headers['content-encoding']);
  if (message.headers['content-type']?.startsWith('multipart/form-data') === true) {
    for (const [name, value] of await formFields(body, message.headers['content-type'])) values.set(name, value);
    body = Buffer.alloc(0);
  }
  const inQuery = values.get('query');
  const statement = inQuery ?? body.toString('latin1', 0, 65_536);
  const insert = takeInsertApart(statement);
  const sql =
    inQuery === undefined ? body.toString('utf8') : insert === undefined ? inQuery + body.toString('utf8') : inQuery;
  if (sql.trim() === '') throw new RequestError(400, 62, 'Syntax error: Empty query. (SYNTAX_ERROR)');
  const format = namedFormat(sql) ?? values.get('default_format') ?? 'TabSeparated';
  return {
    queryId: values.get('query_id') ?? crypto.randomUUID(),
    format,
    gzip:
      values.get('enable_http_compression') === '1' &&
      /\bgzip\b/.test(String(message.headers['accept-encoding'] ?? '')),
    request: {
      sql: insert === undefined ? sql : '',
      insert:
        insert === undefined
          ? undefined
          : { parts: decoded(insert, inQuery === undefined), rows: rowsOf(inQuery, body, insert.dataFrom) },
      format,
      parameters: parametersOf(values),
      settings: settingsOf(values),
      database: values.get('database') ?? header(message, 'x-clickhouse-database'),
      sessionId: values.get('session_id'),
    },
  };
}

/** A statement from the body was scanned byte by byte (rows may be binary): its own text is UTF-8. */
function decoded<T extends { target: string; settings: string }>(insert: T, fromBody: boolean): T {
  const utf8 = (text: string): string => (fromBody ? Buffer.from(text, 'latin1').toString('utf8') : text);
  return { ...insert, target: utf8(insert.target), settings: utf8(insert.settings) };
}

function rowsOf(inQuery: string | undefined, body: Buffer, dataFrom: number): Buffer {
  return inQuery === undefined ? body.subarray(dataFrom) : Buffer.concat([Buffer.from(inQuery.slice(dataFrom)), body]);
}

function parametersOf(values: Map<string, string>): Record<string, string | null> {
  const parameters = [...values].filter(([name]) => name.startsWith('param_'));
  return Object.fromEntries(parameters.map(([name, value]) => [name.slice('param_'.length), decodeParameter(value)]));
}

function settingsOf(values: Map<string, string>): Record<string, string> {
  const settings = [...values].filter(([name]) => !ownNames.has(name) && !name.startsWith('param_'));
  for (const [name] of settings)
    if (!settingName.test(name)) throw new RequestError(400, 115, `Unknown setting '${name}'. (UNKNOWN_SETTING)`);
  return Object.fromEntries(settings);
}

async function formFields(body: Buffer, contentType: string): Promise<Array<[string, string]>> {
  const form = await new Response(new Uint8Array(body), { headers: { 'content-type': contentType } }).formData();
  return [...form].map(([name, value]) => {
    if (typeof value !== 'string')
      throw new RequestError(501, 48, `External table ${name}: not built. (NOT_IMPLEMENTED)`);
    return [name, value];
  });
}

function decompress(body: Buffer, encoding: string | undefined): Buffer {
  if (body.length === 0 || encoding === undefined || encoding === 'identity') return body;
  const bound = { maxOutputLength: maxBodyBytes };
  if (encoding === 'gzip') return gunzipSync(body, bound);
  if (encoding === 'deflate') return inflateSync(body, bound);
  if (encoding === 'br') return brotliDecompressSync(body, bound);
  throw new RequestError(
    415,
    89,
    `Content-Encoding ${encoding}: this server reads gzip, deflate and br. (UNKNOWN_COMPRESSION_METHOD)`,
  );
}

async function readBody(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > maxBodyBytes)
      throw new RequestError(413, 241, `The body is larger than ${maxBodyBytes} bytes. (MEMORY_LIMIT_EXCEEDED)`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

export function header(message: IncomingMessage, name: string): string | undefined {
  const value = message.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
