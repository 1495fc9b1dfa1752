import { Judgement } from '#libs/contracts/generated/millrace/monitor/v1/monitor.js';
import { errorMessage, MillraceError } from '#libs/errors/millrace-error.js';
import type { Chunk, Consumer, LogRecord, MessageLog } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { RegistryMetrics } from '../registry.metrics.js';
import type { RolloutsHandlers } from './rollouts.handlers.js';

const maxRecords = 100;
const rolloutIdPattern = /^[0-9a-f-]{36}$/;

/** Verdicts on rollouts. They come at least once, and move once: a rollout's generation says what is still to be judged. */
export class JudgementsConsumer {
  private consumer: Consumer | undefined;

  constructor(
    private readonly log: MessageLog,
    private readonly rollouts: RolloutsHandlers,
    private readonly metrics: RegistryMetrics,
    private readonly logger: Logger,
  ) {}

  async start(): Promise<void> {
    await this.log.ensureTopics([{ id: 'rolloutsJudged' }]);
    this.consumer = await this.log.consume({
      topic: 'rolloutsJudged',
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
      this.metrics.judgements.inc({ outcome: await this.apply(record) });
      await chunk.alive();
    }
    return undefined;
  }

  /** A failure of the database is thrown: the record comes again. */
  private async apply({ partition, offset, value }: LogRecord): Promise<'moved' | 'unmoved' | 'passed-over'> {
    const bytes = value ?? Buffer.alloc(0);
    try {
      const judgement = readJudgement(bytes);
      if (judgement.outcome !== 'pass' && judgement.outcome !== 'fail') return 'unmoved'; // most are; they need no lock
      return (await this.rollouts.judged(judgement, bytes)) ? 'moved' : 'unmoved';
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      this.logger.warn('judgement_passed_over', { partition, offset, error: errorMessage(error) });
      return 'passed-over';
    }
  }
}

/** @throws MillraceError invalid-argument for bytes that are no judgement */
function readJudgement(bytes: Uint8Array): Judgement {
  let judgement: Judgement;
  try {
    judgement = Judgement.decode(bytes);
  } catch (error) {
    throw new MillraceError('invalid-argument', `not a Judgement: ${errorMessage(error)}`, { cause: error });
  }
  if (!rolloutIdPattern.test(judgement.rolloutId))
    throw new MillraceError('invalid-argument', `rollout_id: "${judgement.rolloutId}" is not a UUID`);
  return judgement;
}
