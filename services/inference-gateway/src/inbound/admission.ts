import { MillraceError } from '#libs/errors/millrace-error.js';
import type { ConcurrencyLimit } from '../domain/concurrency-limit.js';
import type { InferenceGatewayMetrics } from '../inference-gateway.metrics.js';

/** Shares of the limit that calls of a priority may fill. 1 is the highest; 0 is the default and comes next; 2 and 3 go first when calls are many, and so does all above. */
const shares = [0.95, 1, 0.8] as const;
const lowestShare = 0.5;
/** An error costs more to make than a refusal to send. */
const sameWordsMs = 50;

/** Who may come in: at most so many calls as the limit finds, the less important refused first, each told when to come again. */
export class Admission {
  private words: MillraceError | undefined;
  private saidMs = 0;

  constructor(
    private readonly limit: ConcurrencyLimit,
    private readonly metrics: Pick<InferenceGatewayMetrics, 'shed'>,
  ) {}

  /** Whether those that nobody waits for should wait too. */
  readonly isBusy = (): boolean => this.limit.inFlight >= this.limit.current * lowestShare;

  /** Asked when a call arrives, before anything of it is read. Undefined = it may come in. */
  readonly refusal = (): MillraceError | undefined => (this.limit.admits() ? undefined : this.refused('arrived'));

  /** Asked when its priority is known. Who has entered has to leave. @throws MillraceError resource-exhausted */
  enter(priority: number): void {
    if (!this.limit.enter(shares[priority] ?? lowestShare)) throw this.refused('read');
  }

  /** @param tookMs undefined = it says nothing of how long calls take */
  leave(tookMs: number | undefined): void {
    this.limit.leave(tookMs);
  }

  private refused(when: 'arrived' | 'read'): MillraceError {
    this.metrics.shed.inc({ when });
    const nowMs = performance.now();
    if (this.words === undefined || nowMs - this.saidMs > sameWordsMs) {
      this.words = this.refusalNow();
      this.saidMs = nowMs;
    }
    return this.words;
  }

  private refusalNow(): MillraceError {
    const { inFlight, current, retryAfterMs } = this.limit;
    return new MillraceError(
      'resource-exhausted',
      `${inFlight} calls are worked on, and the gateway takes ${current} at a time as long as they take what they take now; try again in ${retryAfterMs} ms`,
      { retryAfterMs },
    );
  }
}
