import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { CloudEvent, HTTP, httpTransport, emitterFor, Mode } from 'cloudevents';
import { Kafka } from 'kafkajs';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { DefinitionChanged } from '#libs/contracts/generated/millrace/control/v1/control.js';
import {
  type Event,
  IngestClient,
  type PublishResponse,
  type ReplayProgress,
  ReplayRequest,
} from '#libs/contracts/generated/millrace/ingest/v1/ingest.js';
import { isWatermark } from '#libs/contracts/event-record.js';
import { topicName } from '#libs/contracts/topics.js';
import type { Kind, SourceSpec, StreamSpec } from '#libs/definitions/definition-kinds.js';
import { KafkaMessageLog } from '#libs/messaging/kafka-message-log.js';
import type { LogRecord } from '#libs/messaging/message-log.js';
import { Wiring } from '#libs/messaging/wiring.js';
import { Peer } from '#libs/rpc/grpc-client.js';
import { Logger } from '#libs/telemetry/logger.js';
import { type ServiceProcess, startService, token } from '#libs/testing/service-process.js';

const suffix = randomUUID().slice(0, 8);
const stream = `ingest-test-${suffix}`;
const source = `ingest-history-${suffix}`;
const minute = 60_000;
const beginMs = Date.parse('2001-06-10T08:00:00Z');
const rowCount = 6_000;

const streamSpec: StreamSpec = {
  name: stream,
  key: 'origin',
  eventTime: 'departed_at',
  latenessMs: 0,
  schema: [
    { name: 'departed_at', type: 'timestamp', nullable: false },
    { name: 'origin', type: 'string', nullable: false },
  ],
  derive: [],
  expectations: [],
  compatibility: 'BACKWARD',
  dataClasses: {},
};
const sourceSpec: SourceSpec = { name: source, stream, connector: 'jsonl', path: 'history.jsonl' };
const unsorted: SourceSpec = { ...sourceSpec, name: `unsorted-${suffix}`, path: 'unsorted.jsonl' };

const line = (i: number): string =>
  `${JSON.stringify({ departed_at: new Date(beginMs + i * minute).toISOString(), origin: `A${i % 7}` })}\n`;

describe('ingest', () => {
  let folder: string;
  let log: KafkaMessageLog;
  let ingest: ServiceProcess;
  let peer: Peer<IngestClient>;
  const raw: LogRecord[] = [];

  const define = async (kind: Kind, name: string, spec: unknown): Promise<void> => {
    const definition = { kind, name, generation: 1, specJson: Buffer.from(JSON.stringify(spec ?? {})) };
    const changed = DefinitionChanged.fromPartial({ definition: { ...definition, deleted: spec === undefined } });
    const value = Buffer.from(DefinitionChanged.encode(changed).finish());
    await log.publisher('definitionsChanged').publish([{ key: Buffer.from(`${kind}/${name}`), value, headers: {} }]);
  };
  const start = async (): Promise<void> => {
    ingest = await startService('ingest', getTestInfrastructure().KAFKA_BROKERS, {
      SOURCES_DIR: folder,
      MAX_WAITING_BYTES: String(2 ** 23),
    });
    peer = new Peer(IngestClient, 'ingest', ingest.grpcAddress, token);
  };

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'millrace-ingest-'));
    await writeFile(join(folder, 'history.jsonl'), Array.from({ length: rowCount }, (_, i) => line(i)).join(''));
    await writeFile(join(folder, 'unsorted.jsonl'), line(1) + line(0));
    const brokers = getTestInfrastructure().KAFKA_BROKERS.split(',');
    log = new KafkaMessageLog('validator', brokers, new Wiring(), new Logger('validator', 'error'));
    await log.ensureTopics([{ id: 'definitionsChanged' }]);
    await define('Stream', stream, streamSpec);
    await define('Source', source, sourceSpec);
    await define('Source', unsorted.name, unsorted);
    await start();
    await log.consume({
      topic: 'rawEvents',
      stream,
      delivery: 'at-least-once',
      maxRecords: 10_000,
      handler: async ({ records }) => void raw.push(...records),
    });
  }, 60_000);
  afterAll(async () => {
    peer.close();
    await ingest.kill('SIGTERM');
    for (const name of [source, unsorted.name]) await define('Source', name, undefined);
    await define('Stream', stream, undefined);
    await log.close();
    const admin = new Kafka({ brokers: getTestInfrastructure().KAFKA_BROKERS.split(',') }).admin();
    await admin.deleteTopics({ topics: [topicName('rawEvents', stream)] });
    await admin.deleteGroups([`validator.${stream}`]);
    await admin.disconnect();
    await rm(folder, { recursive: true });
  }, 30_000);

  /** What has come since the last call, once there is so much. */
  const received = async (count: number): Promise<LogRecord[]> => {
    while (raw.length < count) await new Promise((resolve) => setTimeout(resolve, 20));
    return raw.splice(0);
  };
  const post = (headers: Record<string, string>, body: string | Buffer, to = stream): Promise<Response> =>
    fetch(`${ingest.httpUrl}/v1/streams/${to}/events`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, ...headers },
      body: typeof body === 'string' ? body : new Uint8Array(body),
    });
  const event = (id: string, data: unknown = { origin: 'A1' }): Event => ({
    id,
    source: '/test',
    type: 'trip',
    timeMs: 0,
    data: Buffer.from(JSON.stringify(data)),
    traceparent: '',
    tracestate: '',
  });

  it('takes what the CloudEvents SDK sends, binary, structured and in batches', async () => {
    const sent = ['b', 's', 'x', 'y'].map(
      (id) => new CloudEvent({ id, source: '/test', type: 'trip', data: { origin: `A-${id}` } }),
    );
    const transport = httpTransport(`${ingest.httpUrl}/v1/streams/${stream}/events`);
    const authorized = { headers: { authorization: `Bearer ${token}` } };
    await emitterFor(transport, { mode: Mode.BINARY })(sent[0]!, authorized);
    await emitterFor(transport, { mode: Mode.STRUCTURED })(sent[1]!, authorized);
    const body = JSON.stringify(sent.slice(2).map((one) => JSON.parse(HTTP.structured(one).body as string) as unknown));
    const batch = await post({ 'content-type': 'application/cloudevents-batch+json' }, body);
    expect([batch.status, await batch.json()]).toEqual([202, { accepted: 2, rejected: [] }]);
    const records = await received(4);
    const found = records.map(({ headers, key, value }) => [headers['ce_id'], key?.toString(), value?.toString()]);
    expect(found.toSorted()).toEqual(['b', 's', 'x', 'y'].map((id) => [id, `A-${id}`, `{"origin":"A-${id}"}`]));
    expect(records[0]!.headers).toMatchObject({ ce_source: '/test', ce_type: 'trip', ce_specversion: '1.0' });
  });

  it('refuses with the status of the table, and takes nothing of it', async () => {
    const binary = {
      'content-type': 'application/json',
      'ce-specversion': '1.0',
      'ce-id': '1',
      'ce-source': '/test',
      'ce-type': 't',
    };
    const statusOf = async (answer: Promise<Response>) => (await answer).status;
    expect(await statusOf(post(binary, '{}', 'nowhere'))).toBe(404);
    expect(await statusOf(post({ ...binary, 'content-type': 'text/csv' }, 'a,b'))).toBe(415);
    expect(await statusOf(post({ ...binary, 'ce-id': '' }, '{}'))).toBe(400);
    expect(await statusOf(post(binary, Buffer.alloc(1_000_001, 32)))).toBe(413);
    expect(await statusOf(post(binary, Buffer.alloc(5 * 2 ** 20, 32)))).toBe(413);
    expect(await statusOf(post({ ...binary, authorization: 'Bearer wrong' }, '{}'))).toBe(401);
    expect(raw).toEqual([]);
  });

  it('names the events of a batch that it refuses, and takes the others', async () => {
    const { accepted, rejected } = await peer.call(
      (stub) => stub.publish,
      { stream, events: [event('p1'), event(''), event('p2')] },
      10_000,
    );
    expect([accepted, rejected.map(({ index, code }) => [index, code])]).toEqual([2, [[1, 'invalid-argument']]]);
    expect((await received(2)).map(({ headers }) => headers['ce_id'])).toEqual(['p1', 'p2']);
  });

  it('takes 4 MiB of one key, and refuses more', async () => {
    const events = (count: number) =>
      Array.from({ length: count }, (_, i) => event(`large-${i}`, { origin: 'A1', text: 'x'.repeat(900_000) }));
    await expect(peer.call((stub) => stub.publish, { stream, events: events(4) }, 20_000)).resolves.toMatchObject({
      accepted: 4,
    });
    expect(await received(4)).toHaveLength(4);
    await expect(peer.call((stub) => stub.publish, { stream, events: events(5) }, 20_000)).rejects.toMatchObject({
      code: 'invalid-argument',
    });
  }, 30_000);

  it('answers a stream of batches in their order, holding back what does not fit, and ends it at the first error', async () => {
    const call = peer.stub.publishStream(peer.metadata);
    const answers: PublishResponse[] = [];
    call.on('data', (answer: PublishResponse) => answers.push(answer));
    for (let i = 0; i < 40; i++)
      call.write({ stream, events: [event(`o-${i}`, { origin: 'A1', text: 'x'.repeat(700_000) })] });
    call.end();
    await once(call, 'end');
    expect(answers.map(({ accepted }) => accepted)).toEqual(Array.from({ length: 40 }, () => 1));
    const order = (await received(40)).map(({ headers }) => headers['ce_id']);
    expect(order).toEqual(Array.from({ length: 40 }, (_, i) => `o-${i}`));
    const wrong = peer.stub.publishStream(peer.metadata).resume();
    for (let i = 0; i < 40; i++) wrong.write({ stream: 'nowhere', events: [] });
    const [error] = (await once(wrong, 'error')) as [{ code: number }];
    expect(error.code).toBe(5);
  }, 60_000);

  it('writes a watermark to every partition, behind everything published before it', async () => {
    const events = Array.from({ length: 100 }, (_, i) => event(`w-${i}`, { origin: `A${i}` }));
    const published = peer.call((stub) => stub.publish, { stream, events }, 10_000);
    await peer.call((stub) => stub.advanceWatermark, { stream, watermarkMs: beginMs }, 10_000);
    await published;
    const records = await received(104);
    for (const partition of [0, 1, 2, 3]) {
      const last = records.filter((record) => record.partition === partition).at(-1)!;
      expect([isWatermark(last), last.value?.toString()]).toEqual([true, String(beginMs)]);
    }
    await expect(peer.call((stub) => stub.advanceWatermark, { stream, watermarkMs: 0 }, 10_000)).rejects.toMatchObject({
      code: 'invalid-argument',
    });
  });

  const replay = async (request: Partial<ReplayRequest>): Promise<ReplayProgress> => {
    let last: ReplayProgress | undefined;
    const asked = ReplayRequest.fromPartial({ sources: [source], ...request });
    for await (last of peer.stream((stub) => stub.replay, asked, 30_000));
    return last!;
  };

  it('replays slices of a file as one replay does, again after kill -9, and promises their end', async () => {
    const half = beginMs + (rowCount / 2) * minute;
    expect(await replay({ toMs: half, advanceWatermark: true })).toEqual({
      published: rowCount / 2,
      eventTimeMs: half - minute,
      finished: true,
    });
    const first = await received(rowCount / 2 + 4);
    expect(first.filter(isWatermark).map(({ value }) => Number(value))).toEqual([half, half, half, half]);
    peer.close();
    await ingest.kill('SIGKILL');
    await start();
    expect(await replay({ fromMs: half })).toMatchObject({ published: rowCount / 2 });
    const second = await received(rowCount / 2);
    const ids = [...first.filter((record) => !isWatermark(record)), ...second].map(({ headers }) => headers['ce_id']);
    expect(new Set(ids)).toEqual(new Set(Array.from({ length: rowCount }, (_, i) => `${source}#${i + 1}`)));
    expect(second[0]!.headers).toMatchObject({ ce_source: `millrace:source:${source}`, ce_type: stream });
  }, 60_000);

  it.each([
    [{ sources: [] }, 'invalid-argument'],
    [{ sources: ['nothing'] }, 'not-found'],
    [{ sources: [source, source] }, 'invalid-argument'],
    [{ fromMs: 5, toMs: 5 }, 'invalid-argument'],
    [{ speedup: -1 }, 'invalid-argument'],
    [{ sources: [unsorted.name] }, 'failed-precondition'],
  ])('refuses the replay %p', async (request, code) => {
    await expect(replay(request)).rejects.toMatchObject({ code });
  });
});
