import { Rollout } from '#libs/contracts/generated/millrace/registry/v1/registry.js';
import { openApprovalContent } from '#libs/definitions/approval-content.js';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import type { Chunk, Consumer, LogRecord, MessageLog } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { GovernanceMetrics } from '../governance.metrics.js';
import type { ApprovalsStore } from '../outbound/approvals.store.js';

const maxRecords = 100;

/** Rollouts that wait for people become approvals, each once; when one ends or goes on otherwise, nobody is asked any more. */
export class RolloutsConsumer {
  private consumer: Consumer | undefined;

  constructor(
    private readonly log: MessageLog,
    private readonly store: ApprovalsStore,
    private readonly metrics: GovernanceMetrics,
    private readonly logger: Logger,
  ) {}

  async start(): Promise<void> {
    await this.log.ensureTopics([{ id: 'rolloutsChanged' }]);
    this.consumer = await this.log.consume({
      topic: 'rolloutsChanged',
      groupSuffix: 'approvals',
      delivery: 'at-least-once',
      maxRecords,
      handler: (chunk) => this.handle(chunk),
    });
  }

  async stop(): Promise<void> {
    await this.consumer?.stop();
  }

  private async handle(chunk: Chunk): Promise<undefined> {
    for (const record of chunk.records) {
      await this.apply(record);
      await chunk.alive();
    }
    return undefined;
  }

  /** A failure of the database is thrown: the record comes again. What is not what its digest says is asked of nobody, so that it waits for ever. */
  private async apply({ partition, offset, value }: LogRecord): Promise<void> {
    if (value === null) return;
    let rollout: Rollout;
    try {
      rollout = readRollout(value);
    } catch (error) {
      this.metrics.approvals.inc({ state: 'refused' });
      this.logger.error('approval_refused', { partition, offset, error: errorMessage(error) });
      return;
    }
    const { rolloutId, approvalDigest, approvalJson, startedMs, state } = rollout;
    if (approvalDigest === '') return;
    const subject = `rollouts/${rolloutId}`;
    if (state === 'pending') {
      if (await this.store.keep(approvalDigest, subject, approvalJson, startedMs))
        this.metrics.approvals.inc({ state: 'waiting' });
    } else if (await this.store.withdraw(subject)) this.metrics.approvals.inc({ state: 'withdrawn' });
  }
}

/** @throws MillraceError invalid-argument where the digest is not of what it came with, or that is of another rollout */
function readRollout(value: Uint8Array): Rollout {
  const rollout = decode(value);
  if (rollout.approvalDigest === '') return rollout;
  const content = openApprovalContent(rollout.approvalJson, rollout.approvalDigest);
  if (content.rollout !== rollout.rolloutId)
    throw new MillraceError(
      'invalid-argument',
      `approval_json: is of rollout ${content.rollout}, and came with ${rollout.rolloutId}`,
    );
  return rollout;
}

function decode(value: Uint8Array): Rollout {
  try {
    return Rollout.decode(value);
  } catch (error) {
    throw new MillraceError('invalid-argument', `not a Rollout: ${errorMessage(error)}`, { cause: error });
  }
}
