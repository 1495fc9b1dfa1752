import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { ensurePython } from '#deploy/local/launcher/training-python.js';
import { KafkaMessageLog } from '#libs/messaging/kafka-message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import { Logger } from '#libs/telemetry/logger.js';
import { governanceFolder } from '#libs/testing/governance-folder.js';
import { type ServiceProcess, startService, token } from '#libs/testing/service-process.js';

/** Other tests write to the same topic and tables: everything of this one is under a name of its own. */
const mine = `ol-${randomUUID().slice(0, 8)}`;
const readersToken = 'the-token-of-a-reader';
/** Another OpenLineage server. */
const other = { status: 503, got: [] as { body: string; authorization: string | undefined }[] };
let otherServer: Server;
let service: ServiceProcess;

const start = (): Promise<ServiceProcess> => {
  const { KAFKA_BROKERS, POSTGRES_URL, CLICKHOUSE_URL } = getTestInfrastructure();
  return startService('governance', KAFKA_BROKERS, {
    POSTGRES_URL,
    CLICKHOUSE_URL,
    REGISTRY_ADDRESS: '127.0.0.1:1',
    DATA_DIR: governanceFolder(),
    MILLRACE_TOKENS: `test=${token},reader=${readersToken}`,
    OPENLINEAGE_URL: `http://127.0.0.1:${(otherServer.address() as AddressInfo).port}`,
    OPENLINEAGE_API_KEY: 'the-key-of-the-other',
  });
};

beforeAll(async () => {
  otherServer = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const body = Buffer.concat(parts).toString();
      if (other.status === 201) other.got.push({ body, authorization: request.headers.authorization });
      response.writeHead(other.status).end();
    });
  }).listen(0, '127.0.0.1');
  await once(otherServer, 'listening');
  service = await start();
}, 120_000);
afterAll(async () => {
  await service.kill('SIGTERM');
  otherServer.closeAllConnections();
  otherServer.close();
}, 60_000);

const facet = { _producer: 'https://example.org', _schemaURL: 'https://example.org/facet.json' };
const event = (over: object = {}) => ({
  eventTime: '2026-11-24T10:00:00Z',
  eventType: 'START',
  producer: 'https://example.org',
  schemaURL: 'https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent',
  run: { runId: randomUUID() },
  job: { namespace: mine, name: 'by-hand' },
  ...over,
});
const post = async (body: unknown, over: { path?: string; headers?: Record<string, string> } = {}) => {
  const response = await fetch(`${service.httpUrl}/api/v1/lineage${over.path ?? ''}`, {
    method: 'POST',
    body: body instanceof Uint8Array || typeof body === 'string' ? body : JSON.stringify(body),
    headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...over.headers },
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as never) };
};
const get = async <T>(path: string, bearer = token): Promise<T> => {
  const response = await fetch(`${service.httpUrl}/api/v1${path}`, { headers: { authorization: `Bearer ${bearer}` } });
  return (await response.json()) as T;
};
interface Events {
  events: { eventTime: string; eventType?: string; run?: { runId: string }; job?: { namespace: string } }[];
  totalCount: number;
}
async function until<T>(ask: () => Promise<T>, holds: (found: T) => boolean): Promise<T> {
  for (const untilMs = Date.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const found = await ask();
    if (holds(found)) return found;
    if (Date.now() > untilMs) throw new Error(`not within 60 s; the last was ${JSON.stringify(found).slice(0, 2_000)}`);
  }
}
/** Events of this test in a range of event time, oldest first. */
const eventsOf = async (from: string, to: string, runId: string) => {
  const { events } = await get<Events>(`/events/lineage?after=${from}&before=${to}&sortDirection=asc&limit=1000`);
  return events.filter(({ run }) => run?.runId === runId);
};

it('what openlineage-python sends comes back by events, in the graph and in its run, and an event that comes twice counts once', async () => {
  const interpreter = await ensurePython('python-test', 'requirements-test.lock', () => undefined);
  const script = join(projectRoot(), 'deploy/local/launcher/test/clients/openlineage_client.py');
  const runId = randomUUID();
  const { stdout } = await promisify(execFile)(interpreter, [script, service.httpUrl, token, mine, runId]);
  expect(JSON.parse(stdout)).toEqual({
    statuses: [201, 201, 201],
    refusal: [
      400,
      expect.stringMatching(/^eventTime: "2026-11-23T12:01:00"; it has to be a date-time from 1970 on with an offset/),
    ],
  });
  const events = await until(
    () => eventsOf('2026-11-23T12:00:00Z', '2026-11-23T12:02:00Z', runId),
    ({ length }) => length >= 3,
  );
  expect(events.map(({ eventType, eventTime }) => [eventType, eventTime])).toEqual([
    ['START', '2026-11-23T12:00:00.000001+00:00'],
    ['OTHER', '2026-11-23T12:00:30+00:00'],
    ['COMPLETE', '2026-11-23T12:01:00.5+00:00'],
  ]);
  expect(await service.metric('millrace_governance_lineage_repeated_total')).toBeGreaterThanOrEqual(1);

  expect(await get(`/jobs/runs/${runId}`)).toMatchObject({
    id: runId,
    job: { namespace: mine, name: 'daily.orders' },
    state: 'COMPLETED',
    startedAt: '2026-11-23T12:00:00.000Z',
    endedAt: '2026-11-23T12:01:00.500Z',
    durationMs: 60_500,
    facets: { tags: { tags: expect.any(Array) } },
  });
  const [from, job, to] = [
    `dataset:kafka://${mine}:9092:orders`,
    `job:${mine}:daily.orders`,
    `dataset:abfss://data@${mine}.example.net:/gold/orders`,
  ];
  for (const node of [from, job, to]) {
    const { graph } = await get<{
      graph: { id: string; type: string; inEdges: object[]; outEdges: object[]; data: object }[];
    }>(`/lineage?nodeId=${encodeURIComponent(node)}`);
    const edges = { in: { origin: from, destination: job }, out: { origin: job, destination: to } };
    expect(graph.toSorted((a, b) => (a.id < b.id ? -1 : 1))).toMatchObject([
      {
        id: to,
        type: 'DATASET',
        inEdges: [edges.out],
        outEdges: [],
        data: { fields: [{ name: 'amount', type: 'DECIMAL' }] },
      },
      { id: from, type: 'DATASET', inEdges: [], outEdges: [edges.in], data: { type: 'STREAM' } },
      {
        id: job,
        type: 'JOB',
        inEdges: [edges.in],
        outEdges: [edges.out],
        data: { latestRun: { id: runId, state: 'COMPLETED' } },
      },
    ]);
  }
  const near = await get<{ graph: { id: string }[] }>(`/lineage?nodeId=${encodeURIComponent(from)}&depth=1`);
  expect(near.graph.map(({ id }) => id)).toEqual([job, from]);

  const { namespaces } = await get<{ namespaces: { name: string }[] }>('/namespaces?limit=1000');
  expect(namespaces.map(({ name }) => name)).toEqual(expect.arrayContaining([mine, `kafka://${mine}:9092`]));
  expect(await get(`/namespaces/${mine}/jobs`)).toMatchObject({ jobs: [{ name: 'daily.orders' }], totalCount: 1 });
  const datasets = await get(`/namespaces/${encodeURIComponent(`kafka://${mine}:9092`)}/datasets`);
  expect(datasets).toMatchObject({ datasets: [{ name: 'orders', sourceName: `kafka://${mine}:9092` }], totalCount: 1 });
}, 180_000);

describe('an event', () => {
  it('is given back as it came, to the digit, with facets that nobody knows', async () => {
    const runId = randomUUID();
    const strange = `{"_producer":"a:b","_schemaURL":"a:c","n":12345678901234567890,"x":{"__proto__":[1.0]}}`;
    const text = JSON.stringify(
      event({ eventTime: '2026-11-24T11:00:00Z', run: { runId, facets: { strange: 'HERE' } } }),
    ).replace('"HERE"', strange);
    expect(await post(text)).toMatchObject({ status: 201, body: undefined });
    const ask = async () =>
      (
        await fetch(`${service.httpUrl}/api/v1/events/lineage?after=2026-11-24T11:00:00Z&before=2026-11-24T11:00:01Z`, {
          headers: { authorization: `Bearer ${token}` },
        })
      ).text();
    expect(await until(ask, (answer) => answer.includes(runId))).toContain(text);
  }, 90_000);

  it('of a job or a dataset alone is taken, too; pages are cut where they are asked to be', async () => {
    const { run: _run, ...ofJob } = event({
      eventTime: '2026-11-24T12:00:00Z',
      job: { namespace: `${mine}-static`, name: 'j' },
    });
    const { job: _job, ...base } = ofJob;
    const facets = { schema: { ...facet, fields: [{ name: 'a' }] } };
    const ofDataset = {
      ...base,
      eventTime: '2026-11-24T12:00:01Z',
      dataset: { namespace: `${mine}-static`, name: 'd', facets },
    };
    for (const one of [ofJob, ofDataset]) expect((await post(one)).status).toBe(201);
    const range = '/events/lineage?after=2026-11-24T12:00:00Z&before=2026-11-24T12:00:02Z';
    const ask = (over: string) => get<Events>(`${range}${over}`);
    const { events } = await until(
      () => ask('&limit=1'),
      ({ totalCount }) => totalCount >= 2,
    );
    expect(events).toEqual([ofDataset]);
    expect((await ask('&limit=1&offset=1')).events).toEqual([ofJob]);
    expect((await ask('&sortDirection=asc')).events).toEqual([ofJob, ofDataset]);
    expect(await get(`/namespaces/${mine}-static/datasets`)).toMatchObject({ datasets: [{ fields: [{ name: 'a' }] }] });
  }, 90_000);

  it('that is wrong is refused with what is wrong, and none of it is kept', async () => {
    expect(await post('{')).toMatchObject({
      status: 400,
      body: { error: { message: expect.stringMatching(/^body: is not JSON/) } },
    });
    expect(await post(event({ run: { runId: 'x' } }))).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid-argument', message: 'run.runId: "x"; it has to be a UUID' } },
    });
    expect((await post('x=1', { headers: { 'content-type': 'application/x-www-form-urlencoded' } })).status).toBe(415);
    expect((await post(event(), { headers: { 'content-encoding': 'br' } })).status).toBe(415);
    expect((await post(event(), { headers: { 'content-encoding': 'gzip' } })).status).toBe(400);
    const bomb = gzipSync(Buffer.alloc(64 * 1024 * 1024, 0x20));
    expect(bomb.length).toBeLessThan(100_000);
    expect((await post(bomb, { headers: { 'content-encoding': 'gzip' } })).status).toBe(413);
    const large = event({ run: { runId: randomUUID(), facets: { x: { ...facet, text: 'x'.repeat(5_000_000) } } } });
    expect((await post(large)).status).toBe(413);
    expect((await post(Buffer.from([0x22, 0xff, 0x22]))).body).toMatchObject({
      error: { message: 'body: is not UTF-8' },
    });
  }, 60_000);

  it('needs a token and a role that may', async () => {
    expect((await post(event(), { headers: { authorization: '' } })).status).toBe(401);
    expect(await post(event(), { headers: { authorization: `Bearer ${readersToken}` } })).toMatchObject({
      status: 403,
      body: { error: { message: expect.stringMatching(/reader may not publish lineage\/events/) } },
    });
    expect(await get('/lineage?nodeId=job:a:b', readersToken)).toMatchObject({ error: { code: 'permission-denied' } });
  });
});

it('of a batch those that are right are taken, and the others named', async () => {
  const runId = randomUUID();
  const good = event({ eventTime: '2026-11-24T13:00:00Z', run: { runId } });
  expect(await post([good, event({ producer: 7 }), 'no event'], { path: '/batch' })).toEqual({
    status: 200,
    body: {
      status: 'partial_success',
      summary: { received: 3, successful: 1, failed: 2, retriable: 0, non_retriable: 2 },
      failed_events: [
        { index: 1, reason: 'producer: 7; it has to be a URI', retriable: false },
        { index: 2, reason: 'event: "no event"; it has to be an object', retriable: false },
      ],
    },
  });
  expect(await post([], { path: '/batch' })).toMatchObject({ body: { status: 'success', failed_events: [] } });
  expect((await post({}, { path: '/batch' })).status).toBe(400);
  await until(
    () => eventsOf('2026-11-24T13:00:00Z', '2026-11-24T13:00:01Z', runId),
    ({ length }) => length === 1,
  );
}, 90_000);

it('questions that cannot be answered are told why', async () => {
  const messageOf = async (path: string) => (await get<{ error: { message: string } }>(path)).error.message;
  expect(await messageOf('/lineage?nodeId=job:no:such')).toMatch(
    /^nodeId: there is no node "job:no:such"; it is job:<namespace>/,
  );
  expect(await messageOf('/lineage')).toMatch(/^nodeId: /);
  expect(await messageOf('/lineage?nodeId=job:a:b&depth=101')).toBe(
    'depth: "101" has to be a whole number from 0 to 100',
  );
  expect(await messageOf('/events/lineage?limit=1001')).toMatch(/^limit: "1001"/);
  expect(await messageOf('/events/lineage?after=soon')).toMatch(/^after: "soon" has to be a date-time/);
  expect(await messageOf('/events/lineage?sortDirection=up')).toMatch(/^sortDirection: "up" has to be asc or desc/);
  expect(await messageOf('/jobs/runs/7')).toBe('there is no run "7"');
  expect(await messageOf('/namespaces/%zz/jobs')).toMatch(/not percent-encoded/);
  expect(await get('/namespaces/none/jobs')).toEqual({ jobs: [], totalCount: 0 });
});

it('every event is sent on to another server, in order and with its key, also those of the time when that or this one was down', async () => {
  const ids = [randomUUID(), randomUUID(), randomUUID()];
  const send = async (runId: string, headers: Record<string, string> = {}) => {
    const { status } = await post(event({ eventTime: '2026-11-24T14:00:00Z', run: { runId } }), { headers });
    expect(status).toBe(201);
  };
  await send(ids[0]!);
  await until(
    () => service.metric('millrace_governance_lineage_forwarded_total'),
    (tried) => tried >= 2,
  ); // it answers 503
  await service.kill('SIGKILL');
  service = await start();
  await send(ids[1]!);
  await send('00000000-0000-4000-8000-000000000000', { 'x-millrace-forwarded': 'true' });
  other.status = 201;
  await send(ids[2]!);
  const got = () => Promise.resolve(other.got.filter(({ body }) => ids.some((id) => body.includes(id))));
  const sent = await until(got, (found) => found.some(({ body }) => body.includes(ids[2]!)));
  expect([...new Set(sent.map(({ body }) => (JSON.parse(body) as { run: { runId: string } }).run.runId))]).toEqual(ids);
  expect(new Set(other.got.map(({ authorization }) => authorization))).toEqual(
    new Set(['Bearer the-key-of-the-other']),
  );
  expect(other.got.filter(({ body }) => body.includes('00000000-0000-4000-8000-000000000000'))).toEqual([]);
}, 120_000);

it('what is no event on the topic is passed over, and those after it are kept', async () => {
  const log = new KafkaMessageLog(
    'trainer',
    getTestInfrastructure().KAFKA_BROKERS.split(','),
    new Wiring(),
    new Logger('test', 'error'),
  );
  const runId = randomUUID();
  try {
    const good = JSON.stringify(event({ eventTime: '2026-11-24T15:00:00Z', run: { runId } }));
    await log.publisher('lineageRecorded').publish(
      [Buffer.from([0xff]), Buffer.from('{"run":{}}'), Buffer.from(good)].map((value) => ({
        key: null,
        value,
        headers: {},
      })),
    );
    await until(
      () => eventsOf('2026-11-24T15:00:00Z', '2026-11-24T15:00:01Z', runId),
      ({ length }) => length === 1,
    );
    expect(service.log.filter(({ event: name }) => name === 'lineage_event_unreadable').length).toBeGreaterThanOrEqual(
      2,
    );
  } finally {
    await log.close();
  }
}, 90_000);
