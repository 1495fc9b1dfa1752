import { setTimeout as sleep } from 'node:timers/promises';
import { ApprovalDecided } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Publisher } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { KeptApproval } from '../domain/decide-approval.js';
import type { ApprovalsStore } from './approvals.store.js';

const batch = 100;
const idleMs = 1_000;

/** Publishes decisions until Kafka has them. One that is killed between Kafka and its mark is published again by the next: it moves a rollout once. */
export class DecisionsPublisher {
  private readonly stopping = new AbortController();
  private pause = new AbortController();
  private running: Promise<void> | undefined;

  constructor(
    private readonly store: ApprovalsStore,
    private readonly publisher: Publisher,
    private readonly logger: Logger,
  ) {}

  start(): void {
    this.running = this.run();
  }

  /** Something was decided: look now. */
  poke(): void {
    this.pause.abort();
  }

  async stop(): Promise<void> {
    this.stopping.abort();
    this.pause.abort();
    await this.running;
  }

  private async run(): Promise<void> {
    while (!this.stopping.signal.aborted) {
      this.pause = new AbortController();
      try {
        await this.drain();
      } catch (error) {
        this.logger.warn('decisions_wait', { error: errorMessage(error) });
      }
      if (!this.stopping.signal.aborted) await sleep(idleMs, undefined, { signal: this.pause.signal }).catch(ignore);
    }
  }

  private async drain(): Promise<void> {
    for (const approval of await this.store.unpublished(batch)) {
      await this.publisher.publish([toRecord(approval)]);
      await this.store.setPublished(approval.digest);
    }
  }
}

function toRecord({ subject, digest, state, votes, decidedMs }: KeptApproval) {
  const decision = { subject, digest, approved: state === 'approved', votes: [...votes], decidedMs };
  return {
    key: Buffer.from(subject),
    value: Buffer.from(ApprovalDecided.encode(decision).finish()),
    headers: {},
  };
}

/** A pause that was cut short. */
function ignore(): void {}
