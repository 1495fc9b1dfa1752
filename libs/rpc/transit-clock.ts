/** The fastest message is looked for anew after so long: clocks that run at different speeds do not add up to a delay, and one that has jumped, as after a pause of its machine, costs no more. */
const windowMs = 5_000;

/**
 * How long messages of one stream wait on the way: in sockets while their reader is stopped or busy, in buffers of their sender. A time that a message may take is counted from its sending by it,
 * without clocks that agree: what is said is the delay beyond that of the fastest message of the last five to ten seconds in which there were some.
 */
export class TransitClock {
  private fastestMs = Number.POSITIVE_INFINITY;
  private fastestBeforeMs = Number.POSITIVE_INFINITY;
  private sinceMs = Number.NEGATIVE_INFINITY;

  /**
   * @param sentMs by the sender's clock, of any beginning; 0 = not told, which says 0 @param nowMs by ours; neither clock is one that is set
   * @returns ms, 0 of the first message: what that one waited is not known
   */
  waitedMs(sentMs: number, nowMs: number): number {
    if (sentMs === 0) return 0;
    if (nowMs - this.sinceMs >= windowMs) {
      this.fastestBeforeMs = this.fastestMs;
      this.fastestMs = Number.POSITIVE_INFINITY;
      this.sinceMs = nowMs;
    }
    const tookMs = nowMs - sentMs;
    if (tookMs < this.fastestMs) this.fastestMs = tookMs;
    return tookMs - Math.min(this.fastestMs, this.fastestBeforeMs);
  }
}
