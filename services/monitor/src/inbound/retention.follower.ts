import type { EndpointSpec, PolicySpec } from '#libs/definitions/definition-kinds.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { followDefinitions } from '#libs/messaging/follow-definitions.js';
import type { Consumer, MessageLog } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { type Retention, retentionOf } from '../domain/retention.js';

const settleMs = 50;
const againMs = 30_000;

interface Store {
  apply(retention: Retention): Promise<void>;
}

/** Keeps ClickHouse at what policies and endpoints say of how long predictions are kept: at the start, at each change, and again where ClickHouse did not take it. */
export class RetentionFollower {
  private readonly policies = new Map<string, PolicySpec>();
  private readonly endpoints = new Map<string, EndpointSpec>();
  private follower: Consumer | undefined;
  private timer: NodeJS.Timeout | undefined;
  private work: Promise<void> = Promise.resolve();
  private applied = '';

  constructor(
    private readonly log: MessageLog,
    private readonly store: Store,
    private readonly logger: Logger,
  ) {}

  /** Nothing is applied before all that is defined is known: half of it would forget what should be kept, or the other way round. */
  async start(): Promise<void> {
    this.follower = await followDefinitions(this.log, this.logger, ({ kind, name, spec }) => {
      const table: Map<string, unknown> | undefined =
        kind === 'Policy' ? this.policies : kind === 'Endpoint' ? this.endpoints : undefined;
      if (table === undefined) return;
      if (spec === undefined) table.delete(name);
      else table.set(name, spec);
      if (this.follower !== undefined) this.applyIn(settleMs);
    });
    this.applyIn(0);
  }

  async stop(): Promise<void> {
    await this.follower?.stop();
    clearTimeout(this.timer);
    await this.work;
    clearTimeout(this.timer);
  }

  private applyIn(delayMs: number): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => (this.work = this.work.then(() => this.apply())), delayMs);
  }

  private async apply(): Promise<void> {
    const retention = retentionOf(this.policies.values(), this.endpoints.values());
    const said = JSON.stringify([retention.days ?? null, [...retention.endpoints]]);
    if (said === this.applied) return;
    try {
      await this.store.apply(retention);
      this.applied = said;
      const { days = 'for ever', endpoints } = retention;
      this.logger.info('retention_applied', { days, endpoints: Object.fromEntries(endpoints) });
    } catch (error) {
      this.logger.warn('retention_not_applied', { error: errorMessage(error) });
      this.applyIn(againMs);
    }
  }
}
