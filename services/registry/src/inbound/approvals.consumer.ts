import { ApprovalDecided } from '#libs/contracts/generated/millrace/governance/v1/governance.js';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import type { Chunk, Consumer, LogRecord, MessageLog } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { RegistryMetrics } from '../registry.metrics.js';
import type { RolloutsHandlers } from './rollouts.handlers.js';

const maxRecords = 100;
const subjectPattern = /^rollouts\/[0-9a-f-]{36}$/;

/** What people decided on rollouts. It comes at least once, and moves once: only a rollout that is pending, and has just this digest, moves by it. */
export class ApprovalsConsumer {
  private consumer: Consumer | undefined;

  constructor(
    private readonly log: MessageLog,
    private readonly rollouts: RolloutsHandlers,
    private readonly metrics: RegistryMetrics,
    private readonly logger: Logger,
  ) {}

  async start(): Promise<void> {
    await this.log.ensureTopics([{ id: 'approvalsDecided' }]);
    this.consumer = await this.log.consume({
      topic: 'approvalsDecided',
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
      this.metrics.approvals.inc({ outcome: await this.apply(record) });
      await chunk.alive();
    }
    return undefined;
  }

  /** A failure of the database is thrown: the record comes again. */
  private async apply({ partition, offset, value }: LogRecord): Promise<'moved' | 'unmoved' | 'passed-over'> {
    try {
      return (await this.rollouts.decided(readDecision(value ?? Buffer.alloc(0)))) ? 'moved' : 'unmoved';
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      this.logger.warn('approval_passed_over', { partition, offset, error: errorMessage(error) });
      return 'passed-over';
    }
  }
}

/** @throws MillraceError invalid-argument for bytes that are no decision on a rollout */
function readDecision(bytes: Uint8Array): ApprovalDecided {
  let decision: ApprovalDecided;
  try {
    decision = ApprovalDecided.decode(bytes);
  } catch (error) {
    throw new MillraceError('invalid-argument', `not an ApprovalDecided: ${errorMessage(error)}`, { cause: error });
  }
  if (!subjectPattern.test(decision.subject))
    throw new MillraceError('invalid-argument', `subject: "${decision.subject.slice(0, 100)}" is not rollouts/<UUID>`);
  return decision;
}
