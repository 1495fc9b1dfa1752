export interface LimitOptions {
  /** The limit never goes below it, so that there is always something to learn from. */
  readonly floor: number;
  readonly max: number;
  /** Half of the calls may take this long; a model that takes longer by itself may take three times its own time. */
  readonly targetMs: number;
}

/** Before anything is known: what comes in one burst, after a pause of the process, is not refused. */
const firstLimit = 200;
const windowMs = 100;
const minSamples = 10;
const maxSamples = 1_000;
/** A model's own time is the lowest median of this many spans. */
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
  /** Most that were worked on at a time in this window. */
  private peak = 0;
  private times: number[] = [];
  private windowFromMs: number;
  private medianMs = 0;
  /** Lowest median of each span, the newest last. */
  private readonly lows = [Number.POSITIVE_INFINITY];
  private spanFromMs: number;

  /** @param afterTurn runs something when what has arrived in this turn of the event loop has begun */
  constructor(
    private readonly options: LimitOptions,
    private readonly nowMs: () => number,
    private readonly afterTurn: (run: () => void) => void,
  ) {
    this.limit = Math.min(options.max, Math.max(options.floor, firstLimit));
    this.windowFromMs = this.spanFromMs = nowMs();
  }

  get current(): number {
    return Math.floor(this.limit);
  }

  get inFlight(): number {
    return this.working;
  }

  /** Whether a call that has just arrived may come in; asked before anything of it is read. @param share of the limit that calls like it may fill, 0..1 */
  admits(share = 1): boolean {
    if (this.working + this.arrived >= this.limit * share) {
      this.reached = true;
      return false;
    }
    if (this.arrived === 0) this.afterTurn(() => (this.arrived = 0));
    this.arrived += 1;
    return true;
  }

  /** A call begins; false = it may not. Each that may has to leave. */
  enter(share = 1): boolean {
    if (this.working >= this.limit * share) {
      this.reached = true;
      return false;
    }
    if (this.arrived > 0) this.arrived -= 1;
    this.working += 1;
    if (this.working > this.peak) this.peak = this.working;
    return true;
  }

  /** @param tookMs undefined = it says nothing of how long calls take: it was wrong, or was answered without work */
  leave(tookMs: number | undefined): void {
    this.working -= 1;
    if (tookMs !== undefined && this.times.length < maxSamples) this.times.push(tookMs);
    const nowMs = this.nowMs();
    // What a step does is seen when calls that began after it have left.
    if (nowMs - this.windowFromMs >= Math.max(windowMs, this.medianMs) && this.times.length >= minSamples)
      this.adjust(nowMs);
  }

  /** When a refused call has a chance: after as long as two calls take, 20 ms to 1 s. */
  get retryAfterMs(): number {
    return Math.round(Math.min(1_000, Math.max(20, 2 * this.medianMs)));
  }

  private adjust(nowMs: number): void {
    this.medianMs = this.times.sort((a, b) => a - b)[this.times.length >> 1]!;
    this.remember(nowMs);
    const allowedMs = Math.max(this.options.targetMs, slack * Math.min(...this.lows));
    // Where few were worked on they were slow for another reason, and fewer would be no faster.
    if (this.medianMs > allowedMs && this.peak > this.limit / 2)
      this.limit = Math.max(this.options.floor, this.limit * Math.min(0.95, Math.max(0.5, allowedMs / this.medianMs)));
    else if (this.medianMs <= allowedMs && this.reached) this.limit = Math.min(this.options.max, this.limit * 1.1);
    this.times = [];
    this.reached = false;
    this.peak = this.working;
    this.windowFromMs = nowMs;
  }

  private remember(nowMs: number): void {
    if (nowMs - this.spanFromMs >= spanMs) {
      this.lows.push(Number.POSITIVE_INFINITY);
      if (this.lows.length > spans) this.lows.shift();
      this.spanFromMs = nowMs;
    }
    this.lows[this.lows.length - 1] = Math.min(this.lows.at(-1)!, this.medianMs);
  }
}
