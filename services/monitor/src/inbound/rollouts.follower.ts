import { Rollout } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Consumer, MessageLog } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';

const judged = new Set(['shadow', 'canary']);

/** The rollouts in which a candidate is being tried. */
export class RolloutsFollower {
  private readonly rollouts = new Map<string, Rollout>();
  private follower: Consumer | undefined;

  constructor(
    private readonly log: MessageLog,
    private readonly logger: Logger,
  ) {}

  /** Resolves when it knows every rollout that there is. */
  async start(): Promise<void> {
    await this.log.ensureTopics([{ id: 'rolloutsChanged' }]);
    this.follower = await this.log.follow('rolloutsChanged', (key, value) => this.onRollout(key, value));
  }

  async stop(): Promise<void> {
    await this.follower?.stop();
  }

  underWay(): Rollout[] {
    return [...this.rollouts.values()];
  }

  private onRollout(key: string, value: Buffer | null): void {
    this.rollouts.delete(key);
    if (value === null) return;
    try {
      const rollout = Rollout.decode(value);
      if (judged.has(rollout.state)) this.rollouts.set(key, rollout);
    } catch (error) {
      this.logger.error('rollout_not_read', { key, error: errorMessage(error) });
    }
  }
}
