import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import { Logger } from '#libs/telemetry/logger.js';
import { KafkaMessageLog } from '../kafka-message-log.js';
import type { Chunk, Consumer } from '../message-log.js';
import { Wiring } from '../wiring.js';

const logs: KafkaMessageLog[] = [];
function connect(): KafkaMessageLog {
  const log = new KafkaMessageLog(
    'validator',
    getTestInfrastructure().KAFKA_BROKERS.split(','),
    new Wiring(),
    new Logger('test', 'error'),
  );
  logs.push(log);
  return log;
}

let log: KafkaMessageLog;
beforeAll(() => {
  log = connect();
});
afterAll(async () => {
  await Promise.all(logs.map((one) => one.close()));
}, 30_000);

/** A stream of its own for each test: its topics exist, and hold `count` records in partition 0. */
async function streamWith(count: number): Promise<string> {
  const stream = `messaging-${randomUUID().slice(0, 8)}`;
  await log.ensureTopics([{ id: 'rawEvents', stream }]);
  await publish(stream, 0, count);
  return stream;
}

async function publish(stream: string, from: number, to: number): Promise<void> {
  const records = Array.from({ length: to - from }, (_, i) => ({
    key: null,
    value: Buffer.from(String(from + i)),
    headers: { h: 'x' },
    partition: 0,
  }));
  if (records.length > 0) await log.publisher('rawEvents').publish(records, stream);
}

const values = (chunk: Chunk): number[] => chunk.records.map(({ value }) => Number(value!.toString()));

async function until(condition: () => boolean): Promise<void> {
  for (const untilMs = Date.now() + 20_000; !condition();) {
    if (Date.now() > untilMs) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('exact delivery', () => {
  it('gives the same records and token again to whoever takes over a chunk that failed, and what was carried', async () => {
    const stream = await streamWith(50);
    const seen: { token: string; values: number[]; carried: string }[] = [];
    const first = connect();
    const broken = await first.consume({
      topic: 'rawEvents',
      stream,
      delivery: 'exact',
      maxRecords: 20,
      handler: async (chunk) => {
        seen.push({ token: chunk.token, values: values(chunk), carried: chunk.carried });
        if (seen.length >= 2) throw new Error('the process is about to die');
        return `after ${values(chunk).at(-1)}`;
      },
    });
    await until(() => seen.length >= 2);
    await broken.stop();
    await publish(stream, 50, 60); // more has come meanwhile: the chunk's bounds stay
    const again: typeof seen = [];
    const second = await connect().consume({
      topic: 'rawEvents',
      stream,
      delivery: 'exact',
      maxRecords: 1_000,
      handler: async (chunk) => {
        again.push({ token: chunk.token, values: values(chunk), carried: chunk.carried });
        return 'done';
      },
    });
    await until(() => again.flatMap((one) => one.values).length === 40);
    expect(seen[0]!.values).toHaveLength(20);
    expect(again[0]).toEqual(seen[1]);
    expect(again[0]!.carried).toBe('after 19');
    expect(again.flatMap((one) => one.values)).toEqual(Array.from({ length: 40 }, (_, i) => i + 20));
    expect(again[1]!.carried).toBe('done');
    await second.stop();
    expect((await log.committedOffsets('rawEvents', stream))[0]).toBe(60);
    expect((await log.endOffsets('rawEvents', stream))[0]).toBe(60);
  }, 60_000);
});

describe('a consumer', () => {
  it('begins where its owner says, whatever is committed', async () => {
    const stream = await streamWith(30);
    const got: number[] = [];
    const take = async (startAt: number | undefined): Promise<Consumer> =>
      connect().consume({
        topic: 'rawEvents',
        stream,
        delivery: 'at-least-once',
        maxRecords: 100,
        startAt: async () => startAt,
        handler: async (chunk) => void got.push(...values(chunk)),
      });
    const first = await take(undefined);
    await until(() => got.length === 30);
    await first.stop();
    got.length = 0;
    const second = await take(25);
    await publish(stream, 30, 31);
    await until(() => got.includes(30));
    expect(got).toEqual([25, 26, 27, 28, 29, 30]);
    second.rewind(new Map([[0, 0]]));
    await until(() => got.filter((value) => value === 30).length === 2);
    expect(got.slice(6)).toEqual(Array.from({ length: 31 }, (_, i) => i));
    await second.stop();
  }, 60_000);

  it('tries a failed chunk again until it succeeds, and goes on behind it', async () => {
    const stream = await streamWith(10);
    let attempts = 0;
    const got: number[] = [];
    const consumer = await log.consume({
      topic: 'rawEvents',
      stream,
      delivery: 'at-least-once',
      maxRecords: 5,
      handler: async (chunk) => {
        if ((attempts += 1) < 3) throw new Error('not yet');
        got.push(...values(chunk));
      },
    });
    await until(() => got.length === 10);
    expect(got).toEqual(Array.from({ length: 10 }, (_, i) => i));
    await consumer.stop();
  }, 60_000);
});

describe('what kafkajs gives up for good', () => {
  const hopeless = () => Object.assign(new Error('nothing that passes'), { retriable: false });

  it('runs again: a consumer of chunks', async () => {
    const stream = await streamWith(10);
    let asked = 0;
    const got: number[] = [];
    const consumer = await log.consume({
      topic: 'rawEvents',
      stream,
      delivery: 'exact',
      maxRecords: 5,
      startAt: async () => {
        if ((asked += 1) < 3) throw hopeless();
        return undefined;
      },
      handler: async (chunk) => void got.push(...values(chunk)),
    });
    await until(() => got.length === 10);
    await publish(stream, 10, 12);
    await until(() => got.length === 12);
    expect(got).toEqual(Array.from({ length: 12 }, (_, i) => i));
    await consumer.stop();
    expect((await log.committedOffsets('rawEvents', stream))[0]).toBe(12);
  }, 60_000);

  it('runs again: a follower, from the beginning', async () => {
    await log.ensureTopics([{ id: 'definitionsChanged' }]);
    const key = `again/${randomUUID().slice(0, 8)}`;
    const tell = (value: string) =>
      log.publisher('definitionsChanged').publish([{ key: Buffer.from(key), value: Buffer.from(value), headers: {} }]);
    const seen: string[] = [];
    let fail = false;
    const follower = await connect().follow('definitionsChanged', (changed, value) => {
      if (changed !== key) return;
      if (fail) {
        fail = false;
        throw hopeless();
      }
      seen.push(String(value));
    });
    await tell('one');
    await until(() => seen.includes('one'));
    fail = true;
    await tell('two');
    await until(() => seen.includes('two'));
    expect(seen).toEqual(['one', 'one', 'two']);
    await follower.stop();
  }, 60_000);
});

it('following a compacted topic resolves when everything that was there has been delivered', async () => {
  await log.ensureTopics([{ id: 'definitionsChanged' }]);
  const prefix = randomUUID().slice(0, 8);
  const records = Array.from({ length: 20 }, (_, i) => ({
    key: Buffer.from(`${prefix}/${i % 5}`),
    value: Buffer.from(String(i)),
    headers: {},
  }));
  await log.publisher('definitionsChanged').publish(records);
  const newest = new Map<string, string>();
  const follower = await connect().follow('definitionsChanged', (key, value) => newest.set(key, String(value)));
  expect([...newest].filter(([key]) => key.startsWith(prefix)).map(([, value]) => value)).toEqual([
    '15',
    '16',
    '17',
    '18',
    '19',
  ]);
  await log
    .publisher('definitionsChanged')
    .publish([{ key: Buffer.from(`${prefix}/0`), value: Buffer.from('new'), headers: {} }]);
  await until(() => newest.get(`${prefix}/0`) === 'new');
  await follower.stop();
}, 60_000);

it('records of one key keep their order, and headers travel', async () => {
  const stream = await streamWith(0);
  const records = Array.from({ length: 100 }, (_, i) => ({
    key: Buffer.from(`k${i % 7}`),
    value: Buffer.from(String(i)),
    headers: { ce_id: String(i) },
  }));
  await log.publisher('rawEvents').publish(records, stream);
  const got: { key: string; value: number; id: string }[] = [];
  const consumer = await log.consume({
    topic: 'rawEvents',
    stream,
    delivery: 'at-least-once',
    maxRecords: 10,
    handler: async (chunk) =>
      void got.push(
        ...chunk.records.map(({ key, value, headers }) => ({
          key: String(key),
          value: Number(value),
          id: headers['ce_id']!,
        })),
      ),
  });
  await until(() => got.length === 100);
  for (let k = 0; k < 7; k++) {
    const ofKey = got.filter(({ key }) => key === `k${k}`).map(({ value }) => value);
    expect(ofKey).toEqual(ofKey.toSorted((a, b) => a - b));
  }
  for (const { value, id } of got) expect(id).toBe(String(value));
  await consumer.stop();
}, 60_000);

it('takes large records and many at once: more than the broker takes in one batch', async () => {
  const stream = await streamWith(0);
  const large = Buffer.alloc(3 * 1024 * 1024, 'x');
  const many = Array.from({ length: 50 }, () => ({
    key: null,
    value: Buffer.alloc(100_000, 'y'),
    headers: {},
    partition: 1,
  }));
  await log.publisher('rawEvents').publish([{ key: null, value: large, headers: {}, partition: 1 }, ...many], stream);
  let [records, bytes] = [0, 0];
  const consumer = await log.consume({
    topic: 'rawEvents',
    stream,
    delivery: 'at-least-once',
    maxRecords: 1_000,
    handler: async (chunk) => {
      for (const { value } of chunk.records) [records, bytes] = [records + 1, bytes + value!.length];
    },
  });
  await until(() => records === 51);
  expect(bytes).toBe(large.length + 50 * 100_000);
  await consumer.stop();
}, 60_000);
