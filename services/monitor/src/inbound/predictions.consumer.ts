import { PredictionBlock } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Chunk, Consumer, MessageLog } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import { expandRows } from '../domain/expand-rows.js';
import { SeenBlocks } from '../domain/seen-blocks.js';
import type { MonitorMetrics } from '../monitor.metrics.js';
import type { PredictionLogStore, Unreadable } from '../outbound/prediction-log.store.js';

const maxRecords = 500;
const lingerMs = 500;

/**
 * Logged predictions into ClickHouse, each exactly once: a chunk's bounds are written down before it is inserted, its token makes a second insert of it do nothing, and a block
 * that a gateway sent again is known by its log and sequence.
 */
export class PredictionsConsumer {
  private consumer: Consumer | undefined;

  constructor(
    private readonly log: MessageLog,
    private readonly store: PredictionLogStore,
    private readonly metrics: MonitorMetrics,
    private readonly logger: Logger,
  ) {}

  async start(): Promise<void> {
    await this.log.ensureTopics([{ id: 'predictionsLogged' }]);
    this.consumer = await this.log.consume({
      topic: 'predictionsLogged',
      delivery: 'exact',
      maxRecords,
      lingerMs,
      handler: (chunk) => this.handle(chunk),
    });
  }

  async stop(): Promise<void> {
    await this.consumer?.stop();
  }

  private async handle(chunk: Chunk): Promise<string> {
    const seen = new SeenBlocks(chunk.carried);
    const blocks: PredictionBlock[] = [];
    const unreadable: Unreadable[] = [];
    let repeated = 0;
    for (const { partition, offset, value } of chunk.records) {
      try {
        const block = expandRows(PredictionBlock.decode(value ?? Buffer.alloc(0)));
        if (seen.add(block.walId, block.sequence)) blocks.push(block);
        else repeated += 1;
      } catch (error) {
        unreadable.push({ partition, offset, error: errorMessage(error), value: value ?? Buffer.alloc(0) });
      }
    }
    await this.insert(chunk, blocks, unreadable);
    this.metrics.blocksSeen.inc(repeated);
    return seen.carried();
  }

  private async insert(
    chunk: Chunk,
    blocks: readonly PredictionBlock[],
    unreadable: readonly Unreadable[],
  ): Promise<void> {
    if (unreadable.length > 0) {
      await this.store.insertUnreadable(unreadable);
      this.metrics.unreadable.inc(unreadable.length);
      this.logger.error('predictions_unreadable', {
        token: chunk.token,
        count: unreadable.length,
        error: unreadable[0]!.error,
      });
    }
    if (blocks.length === 0) return;
    await chunk.alive();
    const stopTimer = this.metrics.insertSeconds.startTimer();
    await this.store.insertBlocks(blocks, chunk.token);
    stopTimer();
    for (const { predictions, shadows, failures, feedback } of blocks) {
      this.metrics.predictions.inc(predictions.length);
      this.metrics.shadows.inc(shadows.length);
      this.metrics.failures.inc(failures.length);
      this.metrics.feedback.inc(feedback.length);
    }
  }
}
