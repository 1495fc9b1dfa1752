import { errorMessage } from '#libs/errors/millrace-error.js';
import { type FollowedDefinition, followDefinitions } from '#libs/messaging/follow-definitions.js';
import type { Consumer, MessageLog } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { Readiness } from '#libs/telemetry/readiness.js';
import type { Catalog } from '../domain/catalog.js';
import type { HistoryConsumer } from './history.consumer.js';
import type { ValidEventsConsumer } from './valid-events.consumer.js';

const settleMs = 50;

/** Keeps the catalog by the definitions' topic, and the consumers by the catalog: a stream that appears is followed, a view that appears is filled from the past. */
export class DefinitionsFollower {
  private follower: Consumer | undefined;
  private readonly following = new Map<string, string>();
  private work: Promise<void> = Promise.resolve();
  private timer: NodeJS.Timeout | undefined;
  private stopped = false;

  constructor(
    private readonly log: MessageLog,
    private readonly catalog: Catalog,
    private readonly online: ValidEventsConsumer,
    private readonly history: HistoryConsumer,
    private readonly readiness: Readiness,
    private readonly logger: Logger,
  ) {}

  /** Resolves when all definitions that exist are known and their streams followed. */
  async start(): Promise<void> {
    this.follower = await followDefinitions(this.log, this.logger, (definition) => this.onChange(definition));
    clearTimeout(this.timer);
    this.enqueue();
    await this.work;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    clearTimeout(this.timer);
    await this.follower?.stop();
    await this.work;
  }

  private onChange({ kind, name, spec }: FollowedDefinition): void {
    this.catalog.set(kind, name, spec);
    // Definitions that were applied together arrive together: what they mean is looked at once.
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.enqueue(), settleMs);
  }

  private enqueue(): void {
    this.work = this.work.then(() => this.followAll());
  }

  private async followAll(): Promise<void> {
    for (let delayMs = 100; !this.stopped; delayMs = Math.min(5_000, delayMs * 2)) {
      try {
        for (const stream of this.catalog.streams()) await this.followOne(stream);
        this.readiness.set('streams', undefined);
        return;
      } catch (error) {
        this.readiness.set('streams', errorMessage(error));
        this.logger.warn('streams_not_followed', { error: errorMessage(error) });
        await new Promise((resolve) => setTimeout(resolve, delayMs));
      }
    }
  }

  private async followOne(stream: ReturnType<Catalog['streams']>[number]): Promise<void> {
    const meaning = JSON.stringify([stream.columns, this.catalog.viewsOf(stream.name).map(({ id }) => id)]);
    if (this.following.get(stream.name) === meaning) return;
    await this.history.follow(stream);
    await this.online.follow(stream.name);
    this.following.set(stream.name, meaning);
  }
}
