import { errorMessage } from '#libs/errors/millrace-error.js';
import { type FollowedDefinition, followDefinitions } from '#libs/messaging/follow-definitions.js';
import type { Consumer, MessageLog } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { StreamTable } from '../domain/stream-table.js';

/** Keeps the table of streams by the definitions' topic; a stream is known here once its raw topic exists. */
export class DefinitionsFollower {
  private follower: Consumer | undefined;
  private work: Promise<void> = Promise.resolve();

  constructor(
    private readonly log: MessageLog,
    private readonly table: StreamTable,
    private readonly logger: Logger,
  ) {}

  async start(): Promise<void> {
    this.follower = await followDefinitions(this.log, this.logger, (definition) => {
      this.work = this.work.then(() => this.onChange(definition));
    });
    await this.work;
  }

  async stop(): Promise<void> {
    await this.follower?.stop();
  }

  private async onChange({ kind, name, spec }: FollowedDefinition): Promise<void> {
    if (kind === 'Stream' && spec !== undefined) await this.createTopic(name);
    this.table.set(kind, name, spec);
  }

  private async createTopic(stream: string): Promise<void> {
    for (let delayMs = 100; ; delayMs = Math.min(5_000, delayMs * 2)) {
      try {
        return await this.log.ensureTopics([{ id: 'rawEvents', stream }]);
      } catch (error) {
        this.logger.warn('topic_not_created', { stream, error: errorMessage(error) });
        await new Promise((resolve) => setTimeout(resolve, delayMs));
      }
    }
  }
}
