import { ConnectionError, errorCode } from './frame.js';

/** What a connection has in hand when it begins, and at most. Of calls taken back: a thousand callers whose deadline passes at once are ordinary, thousands a second for long are not (CVE-2023-44487). */
const burst = 10_000;
const allowedPerSecond = 1_000;
/** How many frames that carry nothing one that carries something allows: an ordinary caller sends two or three to a call. */
const idlePerUsefulFrame = 4;

/**
 * Ends a connection whose frames cost us and mean nothing: pings, settings, empty DATA, window updates, priorities, unknown types, and streams that are opened to be reset. What a peer may send is
 * earned by frames that carry something, and by time.
 */
export class FloodGuard {
  private readonly idle = new Allowance('too many frames that carry nothing');
  private readonly resets = new Allowance('too many streams were reset');

  useful(): void {
    this.idle.earn(idlePerUsefulFrame);
  }

  /** @param cost of one that asks for the work of many @throws ConnectionError when there were too many */
  idleFrame(cost = 1): void {
    this.idle.spend(cost);
  }

  /** @throws ConnectionError when there were too many */
  reset(): void {
    this.resets.spend(1);
  }
}

/** Looks at the clock only when nothing is left. */
class Allowance {
  private left = burst;
  private sinceMs = performance.now();

  constructor(private readonly whatWasTooMuch: string) {}

  earn(count: number): void {
    if (this.left < burst) this.left += count;
  }

  spend(count: number): void {
    this.left -= count;
    if (this.left >= 0) return;
    const nowMs = performance.now();
    this.left = Math.min(burst, Math.floor(((nowMs - this.sinceMs) * allowedPerSecond) / 1_000));
    this.sinceMs = nowMs;
    if (this.left < 1) throw new ConnectionError(errorCode.enhanceYourCalm, this.whatWasTooMuch);
  }
}
