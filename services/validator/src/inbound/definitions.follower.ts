import type { StreamSpec } from '#libs/definitions/definition-kinds.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { followDefinitions } from '#libs/messaging/follow-definitions.js';
import type { Consumer, MessageLog } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { compileEventCheck } from '../domain/event-check.js';
import type { QuarantineConsumer } from './quarantine.consumer.js';
import type { RawEventsConsumer } from './raw-events.consumer.js';

/** Follows the streams that are defined. A deleted stream is followed on: what was published to it is still decided. */
export class DefinitionsFollower {
  private follower: Consumer | undefined;
  private work: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    private readonly log: MessageLog,
    private readonly raw: RawEventsConsumer,
    private readonly quarantine: QuarantineConsumer,
    private readonly logger: Logger,
  ) {}

  async start(): Promise<void> {
    this.follower = await followDefinitions(this.log, this.logger, ({ kind, spec }) => {
      if (kind === 'Stream' && spec !== undefined) this.work = this.work.then(() => this.followStream(spec));
    });
    await this.work;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.follower?.stop();
    await this.work;
  }

  private async followStream(spec: StreamSpec): Promise<void> {
    const check = { check: compileEventCheck(spec), latenessMs: spec.latenessMs };
    for (let delayMs = 100; !this.stopped; delayMs = Math.min(5_000, delayMs * 2)) {
      try {
        await this.raw.follow(spec.name, check);
        await this.quarantine.follow(spec.name);
        return;
      } catch (error) {
        this.logger.warn('stream_not_followed', { stream: spec.name, error: errorMessage(error) });
        await new Promise((resolve) => setTimeout(resolve, delayMs));
      }
    }
  }
}
