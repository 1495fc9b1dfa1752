export interface LimitOptions {
  /** The limit never goes below it, so that there is always something to learn from. */
  readonly floor: number;
  readonly max: number;
  /** Half of the calls may take this long; a model that takes longer by itself may take three times its own time. */
  readonly targetMs: number;
}

/** Before anything is known: what comes in one burst, after a pause of the process, is not refused. */
const firstLimit = 200;
/** For so long a burst may fill so many times the limit: what came at once, or in a pause, is worked off by then. Only a queue that stands has come to stay (as CoDel has it, RFC 8289). */
const burst = 4;
const burstMs = 200;
/** How many are worked on is averaged over about as long. */
const averageMs = 250;
/** Of the limit: so many on average are most of it. */
const mostly = 0.75;
const windowMs = 100;
const minSamples = 10;
const maxSamples = 1_000;
/** A model's own time is the lowest median of the last so many spans in which it was to be seen. */
const spanMs = 10_000;
const spans = 6;
const slack = 3;

/**
 * How many calls are worked on at a time, found by trying: additive and multiplicative steps on what the calls took (Chiu and Jain 1989, as TCP's congestion window; in the manner of
 * Netflix' concurrency-limits). Up by a tenth while the limit is reached and the median is within the target, down by as much as the median is beyond it, at most to half. Batches form of what waits together, so
 * a few hundred calls at a time cost no throughput, and what is above would only wait.
 */
export class ConcurrencyLimit {
  private limit: number;
  private working = 0;
  /** Let in during this turn of the event loop and not yet begun. */
  private arrived = 0;
  private reached = false;
  /** How many were worked on of late. */
  private average = 0;
  private averagedMs: number;
  /** Since when half of the limit or more are worked on; undefined = fewer are. */
  private fullSinceMs: number | undefined;
  private times: number[] = [];
  private windowFromMs: number;
  private medianMs = 0;
  /** Lowest median of each span, the newest last. */
  private readonly lows: number[] = [];
  private spanFromMs: number;

  /** @param afterTurn runs something when what has arrived in this turn of the event loop has begun */
  constructor(
    private readonly options: LimitOptions,
    private readonly nowMs: () => number,
    private readonly afterTurn: (run: () => void) => void,
  ) {
    this.limit = Math.min(options.max, Math.max(options.floor, firstLimit));
    this.windowFromMs = this.spanFromMs = this.averagedMs = nowMs();
  }

  get current(): number {
    return Math.floor(this.limit);
  }

  get inFlight(): number {
    return this.working;
  }

  /** Whether a call that has just arrived may come in; asked before anything of it is read. @param share of the limit that calls like it may fill, 0..1 */
  admits(share = 1): boolean {
    if (this.isOver(this.working + this.arrived, share)) return false;
    if (this.arrived === 0) this.afterTurn(() => (this.arrived = 0));
    this.arrived += 1;
    return true;
  }

  /** A call begins; false = it may not. Each that may has to leave. */
  enter(share = 1): boolean {
    if (this.isOver(this.working, share)) return false;
    if (this.arrived > 0) this.arrived -= 1;
    this.working += 1;
    if (this.fullSinceMs === undefined && this.working >= this.limit / 2) this.fullSinceMs = this.nowMs();
    return true;
  }

  /** @param tookMs undefined = it says nothing of how long calls take: it was wrong, or was answered without work */
  leave(tookMs: number | undefined): void {
    const nowMs = this.nowMs();
    this.average += (this.working - this.average) * Math.min(1, (nowMs - this.averagedMs) / averageMs);
    this.averagedMs = nowMs;
    this.working -= 1;
    if (this.working < this.limit / 2) this.fullSinceMs = undefined;
    if (tookMs !== undefined && this.times.length < maxSamples) this.times.push(tookMs);
    // What a step does is seen when calls that began after it have left.
    if (nowMs - this.windowFromMs >= Math.max(windowMs, this.medianMs) && this.times.length >= minSamples)
      this.adjust(nowMs);
  }

  /** When a refused call has a chance: after as long as two calls take, 20 ms to 1 s. */
  get retryAfterMs(): number {
    return Math.round(Math.min(1_000, Math.max(20, 2 * this.medianMs)));
  }

  private isOver(calls: number, share: number): boolean {
    const most = this.limit * share;
    if (calls < most || (calls < Math.min(most * burst, this.options.max * share) && !this.stands())) return false;
    this.reached = true;
    return true;
  }

  /** Before anything is known of what calls take, there may be a queue already. */
  private stands(): boolean {
    if (this.lows.length === 0) return true;
    return this.fullSinceMs !== undefined && this.nowMs() - this.fullSinceMs > burstMs;
  }

  private adjust(nowMs: number): void {
    const { floor, max, targetMs } = this.options;
    this.medianMs = this.times.sort((a, b) => a - b)[this.times.length >> 1]!;
    this.remember(nowMs);
    const allowedMs = Math.max(targetMs, slack * Math.min(...this.lows));
    const isWithin = this.medianMs <= allowedMs;
    // Where few were worked on they were slow for another reason, and fewer would be no faster.
    if (!isWithin && this.average > this.limit * mostly)
      this.limit = Math.max(floor, this.limit * Math.min(0.95, Math.max(0.5, allowedMs / this.medianMs)));
    // What a slow moment has taken comes back without a refusal.
    else if (isWithin && (this.reached || this.limit < firstLimit)) this.limit = Math.min(max, this.limit * 1.1);
    this.times = [];
    this.reached = false;
    this.windowFromMs = nowMs;
  }

  /** Of windows in which calls may have waited for others nothing is learnt: else an overload that lasts would become what is usual. With as few as the floor nobody waits for long. */
  private remember(nowMs: number): void {
    if (this.limit <= this.options.floor) this.lows.length = 0;
    else if (this.average > this.limit / 2 && this.lows.length > 0) return;
    if (this.lows.length === 0 || nowMs - this.spanFromMs >= spanMs) {
      this.lows.push(Number.POSITIVE_INFINITY);
      if (this.lows.length > spans) this.lows.shift();
      this.spanFromMs = nowMs;
    }
    this.lows[this.lows.length - 1] = Math.min(this.lows.at(-1)!, this.medianMs);
  }
}
