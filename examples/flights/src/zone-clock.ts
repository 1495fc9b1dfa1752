/**
 * Local clocks of a named zone to instants. The offset is looked up once an hour of local time and kept: three million conversions cost as much as a few thousand.
 */
export class ZoneClock {
  private readonly format: Intl.DateTimeFormat;
  private readonly offsets = new Map<number, number>();

  constructor(zone: string) {
    this.format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  }

  /**
   * @param localMs a local wall clock written as if it were UTC, epoch ms
   * @returns the instant, epoch ms. A clock that does not exist (spring) is read with the offset before the change, one that exists twice (autumn) as the first of the two.
   */
  toInstant(localMs: number): number {
    const hour = Math.floor(localMs / 3_600_000);
    let offset = this.offsets.get(hour);
    if (offset === undefined) {
      const start = hour * 3_600_000;
      const before = this.offsetAt(start - this.offsetAt(start) - 86_400_000);
      const guess = this.offsetAt(start - before);
      offset = this.offsetAt(start - guess) === guess ? guess : before;
      this.offsets.set(hour, offset);
    }
    return localMs - offset;
  }

  /** Local minus UTC at an instant, in ms. */
  private offsetAt(instantMs: number): number {
    const parts = Object.fromEntries(this.format.formatToParts(instantMs).map((p) => [p.type, Number(p.value)]));
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = parts;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(instantMs / 1000) * 1000;
  }
}
