import { DefinitionChanged } from '#libs/contracts/generated/millrace/control/v1/control.js';
import type { Kind } from '#libs/definitions/definition-kinds.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
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
    this.follower = await this.log.follow('definitionsChanged', (key, value) => {
      this.work = this.work
        .then(() => this.onChange(key, value))
        .catch((error: unknown) => this.logger.error('definition_not_read', { key, error: errorMessage(error) }));
    });
    await this.work;
  }

  async stop(): Promise<void> {
    await this.follower?.stop();
  }

  private async onChange(key: string, value: Buffer | null): Promise<void> {
    const [kind, name] = key.split('/') as [Kind, string];
    const definition = value === null ? undefined : DefinitionChanged.decode(value).definition;
    const deleted = definition === undefined || definition.deleted;
    if (kind === 'Stream' && !deleted) await this.createTopic(name);
    this.table.set(kind, name, deleted ? undefined : JSON.parse(definition.specJson.toString()));
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
