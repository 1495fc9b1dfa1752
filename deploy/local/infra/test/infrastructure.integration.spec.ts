import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createClient, type ClickHouseClient } from '@clickhouse/client';
import { Redis } from 'ioredis';
import { Kafka, logLevel } from 'kafkajs';
import { Client } from 'pg';
import {
  dependencies,
  type Dependency,
  type Infrastructure,
  startInfrastructure,
} from '#deploy/local/infra/infrastructure.js';
import { LocalFolder } from '#deploy/local/infra/local-folder.js';
import { projectRoot } from '#libs/storage/sql-file.js';

const dataDir = mkdtempSync(join(tmpdir(), 'millrace-infra-'));
let infrastructure: Infrastructure;
let clickhouse: ClickHouseClient;

beforeAll(async () => {
  infrastructure = await startInfrastructure({ dataDir, external: {}, fresh: false, onProgress: () => undefined });
  clickhouse = createClient({ url: infrastructure.settings['CLICKHOUSE_URL']!, keep_alive: { enabled: false } });
}, 180_000);

afterAll(async () => {
  await clickhouse.close();
  await infrastructure.stop();
  rmSync(dataDir, { recursive: true, force: true });
}, 60_000);

/** Writes one value, or reads it back, by the real client. */
const stores: Record<Dependency, { write(): Promise<void>; read(): Promise<unknown> }> = {
  kafka: {
    write: () =>
      withKafka(async (kafka) => {
        const admin = kafka.admin();
        await admin.createTopics({ topics: [{ topic: 'kept', numPartitions: 1 }], waitForLeaders: true });
        await admin.disconnect();
        const producer = kafka.producer();
        await producer.connect();
        await producer.send({ topic: 'kept', acks: -1, messages: [{ value: 'kept' }] });
        await producer.disconnect();
      }),
    read: () =>
      withKafka(async (kafka) => {
        const admin = kafka.admin();
        const [partition] = await admin.fetchTopicOffsets('kept');
        await admin.disconnect();
        return partition!.high === '1' ? 'kept' : partition;
      }),
  },
  clickhouse: {
    write: async () => {
      await clickhouse.command({
        query: 'CREATE TABLE IF NOT EXISTS kept (value String) ENGINE = MergeTree ORDER BY value',
      });
      await clickhouse.insert({ table: 'kept', values: [{ value: 'kept' }], format: 'JSONEachRow' });
    },
    read: async () =>
      (
        await (
          await clickhouse.query({ query: 'SELECT value FROM kept', format: 'JSONEachRow' })
        ).json<{ value: string }>()
      )[0]?.value,
  },
  redis: {
    write: () => withRedis(async (redis) => void (await redis.set('kept', 'kept'))),
    read: () => withRedis((redis) => redis.get('kept')),
  },
  postgres: {
    write: () =>
      withPostgres(async (client) => void (await client.query("CREATE TABLE kept AS SELECT 'kept' AS value"))),
    read: () =>
      withPostgres(async (client) => (await client.query<{ value: string }>('SELECT value FROM kept')).rows[0]?.value),
  },
};

describe.each(dependencies)('%s', (name) => {
  it('comes back by itself after kill -9, at its address and with its data', async () => {
    await stores[name].write();
    const child = infrastructure.processes[name]!;
    const { pid } = child;
    process.kill(pid!, 'SIGKILL');
    await until(() => child.state === 'ready' && child.pid !== pid);
    expect(await stores[name].read()).toBe('kept');
  }, 60_000);
});

it('refuses a start in a data folder that another run holds, and leaves that run alone', async () => {
  const pids = dependencies.map((name) => infrastructure.processes[name]!.pid);
  await expect(
    startInfrastructure({ dataDir, external: {}, fresh: false, onProgress: () => undefined }),
  ).rejects.toThrow(/is in use by process/);
  expect(dependencies.map((name) => infrastructure.processes[name]!.pid)).toEqual(pids);
});

describe('says plainly', () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-damaged-'));
  const external = { kafka: '127.0.0.1:1', clickhouse: 'http://127.0.0.1:1', redis: 'redis://127.0.0.1:1' };
  const start = () => startInfrastructure({ dataDir: folder, external, fresh: false, onProgress: () => undefined });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it('when data is damaged: which server, the end of its log, and how to begin anew', async () => {
    mkdirSync(join(folder, 'data', 'postgres', 'cluster'), { recursive: true });
    writeFileSync(join(folder, 'data', 'postgres', 'cluster', 'PG_VERSION'), 'nonsense');
    await expect(start()).rejects.toThrow(/postgres did not become ready[\s\S]*--fresh. begins anew/);
  }, 60_000);

  it('when a file of its own is damaged: which', async () => {
    writeFileSync(join(folder, 'ports.json'), '{"postgres": ');
    await expect(start()).rejects.toThrow(/ports\.json is damaged .*remove it/);
  });

  it('when the disk is full: how much is free, and how much it needs', () => {
    const empty = new LocalFolder(join(folder, 'other'));
    expect(() => empty.requireSpace(Number.MAX_SAFE_INTEGER)).toThrow(/has \d+ MiB free, a mesh needs \d+ MiB/);
  });
});

it('leaves no orphan when its owner is killed with -9', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'millrace-orphans-'));
  const written = join(folder, 'settings.json');
  const env = { ...process.env, MILLRACE_CACHE: process.env['MILLRACE_CACHE'] ?? join(dataDir, 'cache') };
  const owner = spawn(
    process.execPath,
    [join(projectRoot(), 'dist/deploy/local/infra/main.js'), '--data', folder, '--write', written],
    { stdio: 'ignore', env },
  );
  await until(() => existsSync(written));
  const pids = dependencies.map((name) => Number(readFileSync(join(folder, 'run', `${name}.pid`), 'utf8')));
  owner.kill('SIGKILL');
  await until(() => pids.every((pid) => !runs(pid)));
  rmSync(folder, { recursive: true, force: true });
}, 120_000);

describe('the ClickHouse interface', () => {
  it('never executes what stands in the rows of an insert', async () => {
    await clickhouse.command({ query: 'CREATE TABLE safe (a UInt32) ENGINE = MergeTree ORDER BY a' });
    const body = '{"a":1}\n\nINSERT INTO safe VALUES (666)\n';
    await expect(clickhouse.exec({ query: `INSERT INTO safe FORMAT JSONEachRow\n${body}` })).rejects.toThrow();
    const rows = await (
      await clickhouse.query({ query: 'SELECT a FROM safe', format: 'JSONEachRow' })
    ).json<{ a: number }>();
    expect(rows.filter(({ a }) => a === 666)).toEqual([]);
  });

  it('binds parameters, applies settings to one request only, and knows an insert by its token', async () => {
    const text = "it's\t\\ \n\nSELECT 1";
    const echo = await clickhouse.query({
      query: 'SELECT {text: String} AS text, {list: Array(Int64)} AS list, {none: Nullable(Int64)} AS none',
      query_params: { text, list: [1, 2], none: null },
      format: 'JSONEachRow',
    });
    expect(await echo.json()).toEqual([{ text, list: [1, 2], none: null }]);
    await clickhouse.command({
      query:
        'CREATE TABLE once (a UInt32) ENGINE = MergeTree ORDER BY a SETTINGS non_replicated_deduplication_window = 100',
    });
    for (let i = 0; i < 2; i++)
      await clickhouse.insert({
        table: 'once',
        values: [{ a: 1 }],
        format: 'JSONEachRow',
        clickhouse_settings: { insert_deduplication_token: 'same' },
      });
    const count = await (
      await clickhouse.query({ query: 'SELECT toUInt32(count()) AS n FROM once', format: 'JSONEachRow' })
    ).json();
    expect(count).toEqual([{ n: 1 }]);
  });

  it('answers errors with their code, and refuses a stranger', async () => {
    await expect(clickhouse.query({ query: 'SELECT * FROM missing' })).rejects.toMatchObject({
      code: '60',
      type: 'UNKNOWN_TABLE',
    });
    const url = new URL(infrastructure.settings['CLICKHOUSE_URL']!);
    url.password = 'wrong';
    const stranger = createClient({ url: url.href });
    await expect(stranger.query({ query: 'SELECT 1' })).rejects.toMatchObject({ code: '516' });
    await stranger.close();
  });
});

async function withKafka<T>(use: (kafka: Kafka) => Promise<T>): Promise<T> {
  return use(
    new Kafka({
      brokers: [infrastructure.addresses.kafka],
      logLevel: logLevel.NOTHING,
      retry: { retries: 20, maxRetryTime: 500 },
    }),
  );
}

async function withRedis<T>(use: (redis: Redis) => Promise<T>): Promise<T> {
  const redis = new Redis(infrastructure.settings['REDIS_URL']!);
  try {
    return await use(redis);
  } finally {
    redis.disconnect();
  }
}

async function withPostgres<T>(use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ connectionString: `${infrastructure.settings['POSTGRES_URL']}/postgres` });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

function runs(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false; // no such process any more
  }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 45_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('waited in vain');
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
