import { randomUUID } from 'node:crypto';
import type { Denial } from '#libs/auth/access-guard.js';
import type { EncodedRecord } from '#libs/contracts/event-record.js';
import { AuditEvent } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import type { ServiceName } from '#libs/contracts/services.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Publisher } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { Metrics } from '#libs/telemetry/metrics.js';

export const maxWaiting = 1_000;
const maxAtOnce = 100;
const stopGraceMs = 2_000;

/**
 * Sends refusals to the audit log, in order, behind the call's back: a broker that is away fails no call. What waits is kept in memory, at most 1,000; what finds
 * that full is logged and counted instead.
 */
export class DenialsPublisher {
  private readonly waiting: EncodedRecord[] = [];
  private sending: Promise<void> | undefined;
  private stopping = false;
  private readonly counts;

  constructor(
    private readonly service: ServiceName,
    private readonly publisher: Publisher,
    metrics: Metrics,
    private readonly logger: Logger,
    private readonly retryAfterMs = 1_000,
  ) {
    this.counts = metrics.create({
      denied: { type: 'counter', name: 'millrace_access_denied_total', help: 'Calls refused for want of a role' },
      lost: {
        type: 'counter',
        name: 'millrace_access_denied_unaudited_total',
        help: 'Refusals that did not reach the audit log, for too many waited for the broker',
      },
    });
  }

  add(denial: Denial): void {
    this.counts.denied.inc();
    if (this.waiting.length >= maxWaiting) {
      this.counts.lost.inc();
      const { caller, action, resource, method } = denial;
      this.logger.error('denial_not_audited', { caller: caller.name, action, resource, method, waiting: maxWaiting });
      return;
    }
    this.waiting.push(encode(this.service, denial));
    this.sending ??= this.send();
  }

  /** Waits a short while for what is on its way; what a broker that is away has not taken by then is lost. */
  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.race([this.sending, new Promise((resolve) => setTimeout(resolve, stopGraceMs).unref())]);
    if (this.waiting.length > 0) this.logger.error('denials_not_audited', { count: this.waiting.length });
  }

  private async send(): Promise<void> {
    while (this.waiting.length > 0) {
      const batch = this.waiting.slice(0, maxAtOnce);
      try {
        await this.publisher.publish(batch);
        this.waiting.splice(0, batch.length);
      } catch (error) {
        this.logger.warn('denials_wait', { waiting: this.waiting.length, error: errorMessage(error) });
        if (this.stopping) break;
        await new Promise((resolve) => setTimeout(resolve, this.retryAfterMs).unref());
      }
    }
    this.sending = undefined;
  }
}

function encode(service: ServiceName, { caller, action, resource, method, reason }: Denial): EncodedRecord {
  const event = AuditEvent.fromPartial({
    eventId: randomUUID(),
    atMs: Date.now(),
    service,
    actor: caller.name,
    roles: [...caller.roles],
    action,
    resource,
    method,
    decision: 'deny',
    reason,
  });
  return { key: Buffer.from(event.eventId), value: Buffer.from(AuditEvent.encode(event).finish()), headers: {} };
}
