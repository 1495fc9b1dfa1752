import { encodeMessage } from '#libs/contracts/encode-message.js';
import { PredictionBlock } from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import type { WriteAheadLog } from '#libs/wal/write-ahead-log.js';
import type { Unkept } from '../domain/feedback.js';
import { FeedbackLog } from '../domain/ports.js';
import { groupsOf, TurnBatcher } from './turn-batcher.js';

interface Waiting {
  readonly feedback: readonly Unkept[];
  resolve(ids: string[]): void;
  reject(error: unknown): void;
}

/** A block is one record of Kafka: items of 8 KiB at most, so that one of them is below 16 MiB. */
const maxBlockItems = 1_000;

/** Feedback that is there in one turn becomes a block of its own in the write-ahead log of predictions: kept as they are, shipped as they are, known by the same sequence. */
export class WalFeedbackLog extends FeedbackLog {
  private readonly batcher = new TurnBatcher<Waiting>((waiting) => this.flush(waiting));

  constructor(private readonly wal: WriteAheadLog) {
    super();
  }

  override keep(feedback: readonly Unkept[]): Promise<string[]> {
    return new Promise((resolve, reject) => this.batcher.add({ feedback, resolve, reject }));
  }

  private flush(waiting: readonly Waiting[]): void {
    for (const group of groupsOf(waiting, ({ feedback }) => feedback.length, maxBlockItems)) this.write(group);
  }

  private write(waiting: readonly Waiting[]): void {
    const { id: walId, nextSequence: sequence } = this.wal;
    const feedback = waiting
      .flatMap((one) => one.feedback)
      .map((one, i) => ({ ...one, feedbackId: `${walId}-${sequence}-f${i}` }));
    const block = PredictionBlock.fromPartial({ walId, sequence, feedback });
    this.wal.append(encodeMessage(PredictionBlock, block)).then(
      () => {
        let first = 0;
        for (const one of waiting)
          one.resolve(feedback.slice(first, (first += one.feedback.length)).map(({ feedbackId }) => feedbackId));
      },
      (error: unknown) => {
        for (const { reject } of waiting) reject(error);
      },
    );
  }
}
