import type { Pool, PoolClient } from 'pg';
import type { TopicId } from '#libs/contracts/topics.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Publisher } from '#libs/messaging/message-log.js';
import { Rest } from '#libs/rest/rest.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { RegistryMetrics } from '../registry.metrics.js';

const publisherLock = 7_102;
const batch = 500;
const idleMs = 200;

export type Publishers = Readonly<Partial<Record<TopicId, Publisher>>>;

/**
 * Publishes the outbox in order, by one process at a time. A record is removed after Kafka has it: a crash between the two publishes it again, which a compacted topic
 * does not mind. Only rows whose transactions, and all before them, have ended are read, so that none is overtaken.
 */
export class OutboxPublisher {
  private stopped = false;
  private running: Promise<void> | undefined;
  private readonly rest = new Rest();

  constructor(
    private readonly pool: Pool,
    private readonly publishers: Publishers,
    private readonly metrics: RegistryMetrics,
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.running = this.run();
  }

  /** Something was written: look now. */
  poke(): void {
    this.rest.wake();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.rest.end();
    await this.running;
  }

  /** Publishes what is there; how many records it was. */
  async drain(client: PoolClient): Promise<number> {
    const { rows } = await client.query<{ id: string; topic: TopicId; key: string; value: Buffer }>(
      'SELECT id, topic, key, value FROM outbox WHERE xid < pg_snapshot_xmin(pg_current_snapshot()) ORDER BY id LIMIT $1',
      [batch],
    );
    for (const { id, topic, key, value } of rows) {
      const publisher = this.publishers[topic];
      if (publisher === undefined) throw new Error(`outbox ${id}: nobody publishes ${topic}`);
      await publisher.publish([{ key: Buffer.from(key), value, headers: {} }]);
      await client.query('DELETE FROM outbox WHERE id = $1', [id]);
      this.metrics.published.inc({ topic });
    }
    return rows.length;
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      try {
        await this.asTheOne((client) => this.drainUntilStopped(client));
      } catch (error) {
        this.logger.warn('outbox_waits', { error: errorMessage(error) });
      }
      await this.rest.take(idleMs);
    }
  }

  private async drainUntilStopped(client: PoolClient): Promise<void> {
    while (!this.stopped) if ((await this.drain(client)) === 0) await this.rest.take(idleMs);
  }

  /** The lock belongs to the connection: it is free again when this process dies. */
  private async asTheOne(work: (client: PoolClient) => Promise<void>): Promise<void> {
    const client = await this.pool.connect();
    let failed: Error | undefined;
    try {
      const { rows } = await client.query<{ mine: boolean }>('SELECT pg_try_advisory_lock($1) AS mine', [
        publisherLock,
      ]);
      if (rows[0]?.mine === true) await work(client);
    } catch (error) {
      failed = error as Error;
      throw error;
    } finally {
      client.release(failed ?? true);
    }
  }
}
