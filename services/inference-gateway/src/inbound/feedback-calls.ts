import type {
  FeedbackItem,
  GiveFeedbackResponse,
} from '#libs/contracts/generated/millrace/predictions/v1/predictions.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { readFeedback } from '../domain/feedback.js';
import type { FeedbackLog } from '../domain/ports.js';
import type { InferenceGatewayMetrics } from '../inference-gateway.metrics.js';

/** More are refused at once: an item may have 2,000 characters. */
const maxItemsInFlight = 10_000;

/** The one way in for feedback, whatever protocol it came by. */
export class FeedbackCalls {
  private itemsInFlight = 0;

  constructor(
    private readonly log: FeedbackLog,
    private readonly metrics: Pick<InferenceGatewayMetrics, 'feedback'>,
  ) {}

  /** Answered when it is kept as safely as a prediction. @throws MillraceError invalid-argument, resource-exhausted, unavailable; then none of the items was kept */
  async give(items: readonly FeedbackItem[], caller: string): Promise<GiveFeedbackResponse> {
    try {
      const feedbackIds = await this.keep(items, caller);
      this.metrics.feedback.inc({ outcome: 'ok' }, items.length);
      return { feedbackIds };
    } catch (error) {
      const outcome = error instanceof MillraceError ? error.code : 'internal';
      this.metrics.feedback.inc({ outcome }, items.length);
      throw error;
    }
  }

  private async keep(items: readonly FeedbackItem[], caller: string): Promise<string[]> {
    const feedback = readFeedback(items, caller, Date.now());
    if (this.itemsInFlight + feedback.length > maxItemsInFlight)
      throw new MillraceError(
        'resource-exhausted',
        `${this.itemsInFlight} items of feedback are in flight, at most ${maxItemsInFlight} are taken; try again later`,
      );
    this.itemsInFlight += feedback.length;
    try {
      return await this.log.keep(feedback);
    } finally {
      this.itemsInFlight -= feedback.length;
    }
  }
}
