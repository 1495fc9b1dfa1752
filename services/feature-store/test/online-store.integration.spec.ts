import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Redis } from 'ioredis';
import { getTestInfrastructure } from '#deploy/local/infra/test-infrastructure.js';
import type { FeatureServiceSpec, FeatureViewSpec, StreamSpec } from '#libs/definitions/definition-kinds.js';
import { bruteForceAggregation } from '#libs/windows/brute-force.js';
import { applyChunk, readPositions, type StreamRecord } from '../src/domain/apply-chunk.js';
import { Catalog } from '../src/domain/catalog.js';
import { EntityCache } from '../src/domain/entity-cache.js';
import { serveVectors } from '../src/domain/serve-vectors.js';
import { RedisOnlineStore } from '../src/outbound/redis-online.store.js';

const stream = `trips-${randomUUID().slice(0, 8)}`;
const spec: StreamSpec = {
  name: stream,
  eventTime: 'at',
  latenessMs: 0,
  schema: [
    { name: 'at', type: 'timestamp', nullable: false },
    { name: 'who', type: 'string', nullable: false },
    { name: 'x', type: 'int32', nullable: true },
    { name: 'y', type: 'float64', nullable: false },
  ],
  derive: [{ name: 'half', expression: 'x / 2', type: 'int64' }],
  expectations: [],
  compatibility: 'BACKWARD',
  dataClasses: {},
};
const minute = 60_000;
const view: FeatureViewSpec = {
  name: `view-${stream}`,
  source: stream,
  entity: [{ name: 'who', column: 'who' }],
  ttlMs: 100 * minute,
  features: [
    { name: 'n', aggregation: 'count', value: '*', windowMs: 10 * minute },
    { name: 'sum_x', aggregation: 'sum', value: 'x', windowMs: 100 * minute },
    { name: 'mean_y', aggregation: 'mean', value: 'y', windowMs: 30 * minute },
    { name: 'std_y', aggregation: 'std', value: 'y', windowMs: 100 * minute },
    { name: 'min_half', aggregation: 'min', value: 'half', windowMs: 100 * minute },
    { name: 'max_x', aggregation: 'max', value: 'x', windowMs: 10 * minute },
    { name: 'first_x', aggregation: 'first', value: 'x', windowMs: 100 * minute },
    { name: 'last_y', aggregation: 'last', value: 'y', windowMs: 100 * minute },
    { name: 'since', aggregation: 'sinceLast', value: 'minutes', windowMs: 100 * minute, cap: 60 },
  ],
};
const service: FeatureServiceSpec = {
  name: `service-${stream}`,
  spine: stream,
  items: [
    {
      view: view.name,
      as: 'v',
      entity: [{ name: 'who', expression: 'who' }],
      features: view.features.map(({ name }) => name),
    },
  ],
};

const catalog = new Catalog();
catalog.set('Stream', stream, spec);
catalog.set('FeatureView', view.name, view);
catalog.set('FeatureService', service.name, service);
const views = catalog.viewsOf(stream);

let redis: Redis;
let store: RedisOnlineStore;
beforeAll(() => {
  redis = new Redis(getTestInfrastructure().REDIS_URL);
  store = new RedisOnlineStore(redis);
});
afterAll(() => redis.disconnect());

/** Events of one partition in the order of the log; times are anything, as late events are. */
function events(partition: number, count: number, random: () => number): StreamRecord[] {
  return Array.from({ length: count }, (_, i): StreamRecord => {
    const eventTimeMs = Math.floor(random() * 200) * minute;
    const x = random() < 0.1 ? null : Math.floor(random() * 1_000) - 500;
    const columns = {
      at: eventTimeMs,
      who: `w${Math.floor(random() * 3)}`,
      x,
      y: random() * 10 - 5,
      half: x === null ? null : Math.trunc(x / 2),
    };
    return {
      validOffset: i,
      sourceOffset: i * 2,
      row: { eventTimeMs, partition, offset: i * 2, columns },
      watermarkMs: undefined,
    };
  });
}

function seeded(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

describe('the online store on a real Redis', () => {
  it('answers every instant as a plain filter over all events does, however chunks were cut and repeated', async () => {
    const random = seeded(42);
    const all = [events(0, 120, random), events(1, 90, random)];
    for (const [partition, records] of all.entries()) {
      for (let from = 0; from < records.length;) {
        const to = from + 1 + Math.floor(random() * 40);
        // Delivered again from somewhere before, as after a crash, and by a process that believes in old positions.
        for (const start of [from, Math.max(0, from - 10)]) {
          const positions = await readPositions(store, stream, views, partition);
          expect(await applyChunk(store, stream, partition, views, records.slice(start, to), positions)).toBe(true);
        }
        from = to;
      }
    }
    const cache = new EntityCache(2);
    const plan = catalog.service(service.name);
    const oracle = all.flat().map(({ row }) => row!);
    for (let i = 0; i < 60; i++) {
      const who = `w${Math.floor(random() * 4)}`;
      const q = Math.floor(random() * 220) * minute;
      const [answer] = await serveVectors(store, cache, [{ plan, rows: [{ who }], asOfMs: [q], nowMs: 0 }]);
      const expected = views[0]!.features.map(({ aggregation }) =>
        Math.fround(
          bruteForceAggregation(
            oracle
              .filter(({ columns }) => columns['who'] === who)
              .map(({ eventTimeMs, partition, offset, columns }) => ({
                ts: eventTimeMs,
                partition,
                offset,
                measures: measures(columns),
              })),
            aggregation,
            q,
          ),
        ),
      );
      expect([...answer!.vectors]).toEqual(expected);
    }
  });

  it('refuses a process whose positions are old, and changes nothing', async () => {
    const old = new Map([
      [`stream:${stream}`, { sourceOffset: 3, nextOffset: 7, watermarkMs: -1 }],
      ...views.map(({ id }) => [id, { sourceOffset: 3, nextOffset: 7, watermarkMs: -1 }] as const),
    ]);
    const record = { ...events(0, 1, seeded(1))[0]!, validOffset: 500, sourceOffset: 1_000 };
    expect(await applyChunk(store, stream, 0, views, [record], old)).toBe(false);
    const positions = await readPositions(store, stream, views, 0);
    expect(positions.get(`stream:${stream}`)!.nextOffset).toBe(120);
  });
});

/** As the view's measures are ordered: by first use. y is kept in millionths. */
function measures(columns: Record<string, unknown>): number[] {
  const number = (value: unknown): number => (value === null ? Number.NaN : Number(value));
  const y = Number(columns['y']);
  return [number(columns['x']), Math.sign(y) * Math.floor(Math.abs(y) * 1e6 + 0.5), number(columns['half'])];
}
