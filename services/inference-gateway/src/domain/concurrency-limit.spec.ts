import { describe, expect, it } from '@jest/globals';
import { generator } from '#libs/numeric/generator.js';
import { ConcurrencyLimit } from './concurrency-limit.js';

const options = { floor: 4, max: 10_000, targetMs: 50 };

/** A server behind a limit, on a clock of its own: so many calls a second in all, first come first served, and at least `leastMs` for each. */
class SimulatedServer {
  perSecond = 0;
  leastMs = 0;
  /** So many calls arrive at once. */
  burst = 1;
  /** Nothing is done for so long, about every two seconds; where it is the gateway that pauses, what arrives meanwhile arrives at once. */
  pauseMs = 0;
  pauses: 'gateway' | 'worker' = 'gateway';
  private pausedUntilMs = 0;
  private arrivals = 0;
  private readonly random = generator(20_261_126);
  private ms = 0;
  private readonly turns: (() => void)[] = [];
  private readonly working: { fromMs: number; left: number }[] = [];
  readonly limit = new ConcurrencyLimit(
    options,
    () => this.ms,
    (run) => this.turns.push(run),
  );

  /** @returns shares of what it could answer and of what was offered, and the median of what was answered */
  offer(perSecond: number, seconds: number): { ofCapacity: number; refused: number; medianMs: number } {
    let refused = 0;
    const took: number[] = [];
    for (const untilMs = this.ms + seconds * 1_000; this.ms < untilMs; this.ms += 1) {
      if (this.pauseMs > 0 && this.random() < 1 / 2_000) this.pausedUntilMs = this.ms + this.pauseMs;
      const isPaused = this.ms < this.pausedUntilMs;
      this.arrivals += this.burst * poisson(this.random, perSecond / 1_000 / this.burst);
      if (!isPaused || this.pauses === 'worker') refused += this.letIn();
      if (!isPaused) this.work(took);
    }
    const medianMs = took.sort((a, b) => a - b)[took.length >> 1]!;
    return { ofCapacity: took.length / (this.perSecond * seconds), refused: refused / (perSecond * seconds), medianMs };
  }

  /** What has arrived in one turn of the event loop. */
  private letIn(): number {
    let refused = 0;
    for (; this.arrivals >= 1; this.arrivals -= 1) {
      if (this.limit.admits() && this.limit.enter()) this.working.push({ fromMs: this.ms, left: 1 });
      else refused += 1;
    }
    for (const run of this.turns.splice(0)) run();
    return refused;
  }

  private work(took: number[]): void {
    for (let power = this.perSecond / 1_000; power > 0;) {
      const first = this.working[0];
      if (first === undefined || this.ms - first.fromMs < this.leastMs) return;
      const part = Math.min(power, first.left);
      first.left -= part;
      power -= part;
      if (first.left > 1e-9) return;
      this.working.shift();
      this.limit.leave(this.ms - first.fromMs);
      took.push(this.ms - first.fromMs);
    }
  }
}

function serverOf(perSecond: number, leastMs: number, more: Partial<SimulatedServer> = {}): SimulatedServer {
  return Object.assign(new SimulatedServer(), { perSecond, leastMs, ...more });
}

/** Knuth 1969; of small means. */
function poisson(random: () => number, mean: number): number {
  let drawn = 0;
  for (let product = random(); product > Math.exp(-mean); product *= random()) drawn += 1;
  return drawn;
}

describe('ConcurrencyLimit', () => {
  it('refuses nothing below capacity', () => {
    expect(serverOf(8_000, 2).offer(4_000, 10).refused).toBe(0);
  });

  it.each([
    [2_400, 20, 'gateway'],
    [8_000, 1, 'gateway'],
    [8_000, 64, 'gateway'],
    [16_000, 20, 'gateway'],
    [8_000, 20, 'worker'],
    [16_000, 64, 'worker'],
  ] as const)(
    'at half of %d a second, in bursts of %d, with a pause of 50 ms of the %s now and then, refuses next to nothing',
    (perSecond, burst, pauses) => {
      const server = serverOf(perSecond, 2, { burst, pauses, pauseMs: 50 });
      expect(server.offer(perSecond / 2, 30).refused).toBeLessThan(0.001);
    },
  );

  it.each(['gateway', 'worker'] as const)(
    'at twice the capacity, with pauses of the %s, still answers what it can, each soon',
    (pauses) => {
      const { ofCapacity, medianMs } = serverOf(8_000, 2, { burst: 20, pauses, pauseMs: 50 }).offer(16_000, 20);
      expect(ofCapacity).toBeGreaterThan(0.93); // a pause of 50 ms every two seconds is 2.5 %
      expect(medianMs).toBeLessThan(100);
    },
  );

  it('does not take an overload that lasts for what calls take by themselves', () => {
    const server = serverOf(2_000, 2);
    server.offer(1_000, 5);
    server.offer(4_000, 240);
    const { ofCapacity, medianMs } = server.offer(4_000, 20);
    expect(ofCapacity).toBeGreaterThan(0.95);
    expect(medianMs).toBeLessThan(100);
  });

  it('soon follows a model that is slower by itself than before, while more is asked than it can', () => {
    const server = serverOf(2_000, 2);
    server.offer(1_000, 10);
    server.leastMs = 300;
    server.offer(4_000, 25);
    expect(server.offer(4_000, 10).ofCapacity).toBeGreaterThan(0.9);
  });

  it('has room again after a slow moment, without a refusal', () => {
    const server = serverOf(8_000, 2);
    server.offer(4_000, 5);
    const before = server.limit.current;
    server.perSecond = 1_000;
    server.offer(4_000, 2);
    expect(server.limit.current).toBeLessThan(before / 2);
    server.perSecond = 8_000;
    server.offer(500, 10);
    expect(server.limit.current).toBeGreaterThanOrEqual(before);
  });

  it.each([2, 5])('at %s times the capacity answers what it can, each soon', (times) => {
    const { ofCapacity, medianMs } = serverOf(8_000, 2).offer(8_000 * times, 20);
    expect(ofCapacity).toBeGreaterThan(0.95);
    expect(medianMs).toBeLessThan(100);
  });

  it('gives a model that is slow by itself the calls that it needs', () => {
    const server = serverOf(500, 400);
    expect(server.offer(1_000, 60).ofCapacity).toBeGreaterThan(0.9);
    expect(server.limit.current).toBeGreaterThan(200);
  });

  it('does not become lower where calls are slow and few', () => {
    const server = serverOf(8_000, 200);
    const before = server.limit.current;
    expect(server.offer(500, 20).refused).toBe(0);
    expect(server.limit.current).toBe(before);
  });

  it('follows a server that becomes slower, and one that becomes faster', () => {
    const server = serverOf(8_000, 2);
    server.offer(16_000, 10);
    const before = server.limit.current;
    server.perSecond = 1_000;
    server.offer(16_000, 10);
    expect(server.limit.current).toBeLessThan(before / 3);
    server.perSecond = 8_000;
    server.offer(16_000, 10);
    expect(server.limit.current).toBeGreaterThan(before / 2);
  });

  it('never goes below its floor or above its bound', () => {
    const clock = { ms: 0 };
    const limit = new ConcurrencyLimit(
      { floor: 4, max: 120, targetMs: 50 },
      () => clock.ms,
      () => undefined,
    );
    const round = (tookMs: number) => {
      for (let i = 0; i < 100; i++) limit.enter();
      limit.admits(0);
      clock.ms += 200;
      while (limit.inFlight > 0) limit.leave(tookMs);
    };
    for (let i = 0; i < 100; i++) round(1);
    expect(limit.current).toBe(120);
    clock.ms += 120_000;
    for (let i = 0; i < 100; i++) round(1 + i * 1_000);
    expect(limit.current).toBeLessThan(120);
    expect(limit.current).toBeGreaterThanOrEqual(4);
  });

  it('lets a burst of calls of a smaller share in, and leaves those of a larger one their room', () => {
    const clock = { ms: 0 };
    const limit = new ConcurrencyLimit(
      { floor: 4, max: 100, targetMs: 50 },
      () => clock.ms,
      () => undefined,
    );
    for (let i = 0; i < 20; i++) limit.enter();
    clock.ms += 200;
    while (limit.inFlight > 0) limit.leave(1); // now it is known what calls take
    const entered = (share: number): number =>
      Array.from({ length: 1_000 }, () => limit.enter(share)).filter(Boolean).length;
    expect([entered(0.5), entered(1)]).toEqual([50, 50]);
  });

  it('keeps room for calls of a larger share, counts a whole turn of arrivals, and forgets those that never begin', () => {
    const turns: (() => void)[] = [];
    const limit = new ConcurrencyLimit(
      options,
      () => 0,
      (run) => turns.push(run),
    );
    const admitted = (share: number) => Array.from({ length: 1_000 }, () => limit.admits(share)).filter(Boolean).length;
    expect(admitted(0.5)).toBe(100);
    expect(admitted(1)).toBe(100);
    turns.splice(0).forEach((run) => run());
    expect(admitted(1)).toBe(200);
    expect(limit.inFlight).toBe(0);
  });
});
