import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Redis } from 'ioredis';
import { MillraceError, errorMessage } from '#libs/errors/millrace-error.js';
import { projectRoot } from '#libs/storage/sql-file.js';
import type { ViewPlan } from '../domain/plans.js';
import {
  type LogAppend,
  type LogRead,
  OnlineStore,
  type Position,
  type Snapshot,
  startPosition,
} from '../domain/ports.js';

type ApplyCommand = (keyCount: number, ...args: (string | Buffer | number)[]) => Promise<number>;

/**
 * Keys: `mr:log:<view id>:<bucket>:<entity>` (bytes), `mr:pos:<unit>` (hash partition -> "sourceOffset,nextOffset,watermarkMs"), `mr:bucket:<view id>:<bucket>` (set of entities), `mr:buckets:<view id>` (sorted set).
 * One node (no cluster): a read and an apply touch keys of many slots in one step.
 */
export class RedisOnlineStore extends OnlineStore {
  constructor(private readonly redis: Redis) {
    super();
    redis.defineCommand('mrApply', {
      lua: readFileSync(join(projectRoot(), 'services/feature-store/lua/apply.lua'), 'utf8'),
    });
  }

  async read(reads: readonly LogRead[], units: readonly { unit: string; partitions: number }[]): Promise<Snapshot> {
    const transaction = this.redis.multi();
    for (const { unit, partitions } of units)
      transaction.hmget(positionKey(unit), ...Array.from({ length: partitions }, (_, p) => String(p)));
    for (const read of reads)
      transaction.getrangeBuffer(logKey(read.view, read.bucket, read.entity), read.knownBytes, -1);
    const results = await this.run(() => transaction.exec());
    const values = (results ?? []).map(([error, value]) => {
      if (error) throw unavailable(error);
      return value;
    });
    const positions = new Map(units.map(({ unit }, i) => [unit, (values[i] as (string | null)[]).map(parsePosition)]));
    return { positions, bytes: values.slice(units.length) as Buffer[] };
  }

  async apply(
    partition: number,
    expected: ReadonlyMap<string, Position>,
    next: ReadonlyMap<string, Position>,
    appends: readonly LogAppend[],
  ): Promise<boolean> {
    const units = [...next.keys()];
    const keys = [
      ...units.map(positionKey),
      ...appends.map(({ view, bucket, entity }) => logKey(view, bucket, entity)),
      ...appends.map(({ view, bucket }) => bucketKey(view.id, bucket)),
      ...appends.map(({ view }) => bucketsKey(view.id)),
    ];
    const positions = units.flatMap((unit) => [formatPosition(expected.get(unit)), formatPosition(next.get(unit))]);
    const bodies = appends.flatMap(({ records, entity, bucket }) => [records, entity, bucket]);
    const command = (this.redis as unknown as { mrApply: ApplyCommand }).mrApply.bind(this.redis);
    return (
      (await this.run(() =>
        command(keys.length, ...keys, units.length, appends.length, partition, ...positions, ...bodies),
      )) === 1
    );
  }

  async expire(view: ViewPlan, beforeBucket: number): Promise<void> {
    const buckets = await this.run(() => this.redis.zrangebyscore(bucketsKey(view.id), '-inf', `(${beforeBucket}`));
    for (const bucket of buckets.map(Number)) {
      const entities = await this.run(() => this.redis.smembers(bucketKey(view.id, bucket)));
      for (let from = 0; from < entities.length; from += 500) {
        const keys = entities.slice(from, from + 500).map((entity) => logKey(view, bucket, entity));
        await this.run(() => this.redis.unlink(...keys));
      }
      await this.run(() =>
        this.redis.multi().unlink(bucketKey(view.id, bucket)).zrem(bucketsKey(view.id), bucket).exec(),
      );
    }
  }

  private async run<T>(command: () => Promise<T>): Promise<T> {
    try {
      return await command();
    } catch (error) {
      throw error instanceof MillraceError ? error : unavailable(error);
    }
  }
}

function unavailable(error: unknown): MillraceError {
  return new MillraceError('unavailable', `the online store (REDIS_URL) does not answer: ${errorMessage(error)}`, {
    cause: error,
  });
}

function logKey(view: ViewPlan, bucket: number, entity: string): string {
  return `mr:log:${view.id}:${bucket}:${entity}`;
}

function bucketKey(viewId: string, bucket: number): string {
  return `mr:bucket:${viewId}:${bucket}`;
}

/** Sorted set of the buckets that a view has. */
function bucketsKey(viewId: string): string {
  return `mr:buckets:${viewId}`;
}

function positionKey(unit: string): string {
  return `mr:pos:${unit}`;
}

function formatPosition(position: Position | undefined): string {
  if (position === undefined || position === startPosition) return '';
  return `${position.sourceOffset},${position.nextOffset},${position.watermarkMs}`;
}

function parsePosition(text: string | null): Position {
  if (text === null) return startPosition;
  const [sourceOffset = -1, nextOffset = 0, watermarkMs = -1] = text.split(',').map(Number);
  return { sourceOffset, nextOffset, watermarkMs };
}
