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

type ScriptArguments = [keyCount: number, ...args: (string | Buffer | number)[]];

/** What `defineCommand` makes of our scripts. */
interface Scripts {
  mrApply(...args: ScriptArguments): Promise<number>;
  mrReadBuffer(...args: ScriptArguments): Promise<((Buffer | null)[] | Buffer)[]>;
}

/**
 * Keys: `mr:log:<view id>:<bucket>:<entity>` (bytes), `mr:pos:<unit>` (hash partition -> "sourceOffset,nextOffset,watermarkMs"), `mr:bucket:<view id>:<bucket>` (set of entities), `mr:buckets:<view id>` (sorted set).
 * One node (no cluster): a read and an apply touch keys of many slots in one step.
 */
export class RedisOnlineStore extends OnlineStore {
  private readonly scripts: Scripts;

  constructor(private readonly redis: Redis) {
    super();
    redis.defineCommand('mrApply', { lua: script('apply') });
    redis.defineCommand('mrRead', { lua: script('read') });
    this.scripts = redis as unknown as Scripts;
  }

  /** One script is one command to encode and one answer to decode; a transaction is two of each for every log, and each of its objects lives until the whole heap is collected. */
  async read(reads: readonly LogRead[], units: readonly { unit: string; partitions: number }[]): Promise<Snapshot> {
    const keys = [
      ...units.map(({ unit }) => positionKey(unit)),
      ...reads.map(({ view, bucket, entity }) => logKey(view, bucket, entity)),
    ];
    const partitions = units.map((one) => one.partitions);
    const known = reads.map(({ knownBytes }) => knownBytes);
    const found = await this.run(() =>
      this.scripts.mrReadBuffer(keys.length, ...keys, units.length, ...partitions, ...known),
    );
    const positions = new Map(units.map(({ unit }, i) => [unit, (found[i] as (Buffer | null)[]).map(parsePosition)]));
    return { positions, bytes: found.slice(units.length) as Buffer[] };
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
    return (
      (await this.run(() =>
        this.scripts.mrApply(keys.length, ...keys, units.length, appends.length, partition, ...positions, ...bodies),
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

function parsePosition(text: Buffer | null): Position {
  if (text === null) return startPosition;
  const [sourceOffset = -1, nextOffset = 0, watermarkMs = -1] = text.toString('latin1').split(',').map(Number);
  return { sourceOffset, nextOffset, watermarkMs };
}

function script(name: string): string {
  return readFileSync(join(projectRoot(), `services/feature-store/lua/${name}.lua`), 'utf8');
}
