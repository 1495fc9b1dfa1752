import { ConnectionError, errorCode } from './frame.js';

/** Frames in hand that ask for work and carry none, a connection. */
const idleBurst = 10_000;
/** How many of those a frame that carries something allows: an ordinary caller sends two or three to a call. */
const idlePerUsefulFrame = 4;
/** Calls taken back in hand, a connection: a thousand callers whose deadline passes at once are ordinary, thousands a second for long are not (CVE-2023-44487). */
const resetBurst = 10_000;
const allowedPerSecond = 1_000;

/**
 * Ends a connection whose frames cost us and mean nothing: pings, settings, empty DATA, window updates, priorities, unknown types, and streams that are opened to be reset. What a peer may send is
 * earned by frames that carry something, and by time.
 */
export class FloodGuard {
  private idle = idleBurst;
  private resets = resetBurst;
  private idleSinceMs = performance.now();
  private resetsSinceMs = this.idleSinceMs;

  useful(): void {
    if (this.idle < idleBurst) this.idle += idlePerUsefulFrame;
  }

  /** @param cost of one that asks for the work of many @throws ConnectionError when there were too many */
  idleFrame(cost = 1): void {
    this.idle -= cost;
    if (this.idle >= 0) return;
    const nowMs = performance.now();
    this.idle = earned(nowMs - this.idleSinceMs, idleBurst);
    this.idleSinceMs = nowMs;
    if (this.idle < 1) throw new ConnectionError(errorCode.enhanceYourCalm, 'too many frames that carry nothing');
  }

  /** @throws ConnectionError when there were too many */
  reset(): void {
    this.resets -= 1;
    if (this.resets >= 0) return;
    const nowMs = performance.now();
    this.resets = earned(nowMs - this.resetsSinceMs, resetBurst);
    this.resetsSinceMs = nowMs;
    if (this.resets < 1) throw new ConnectionError(errorCode.enhanceYourCalm, 'too many streams were reset');
  }
}

function earned(elapsedMs: number, most: number): number {
  return Math.min(most, Math.floor((elapsedMs * allowedPerSecond) / 1_000));
}
