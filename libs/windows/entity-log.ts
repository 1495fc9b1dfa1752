const firstCapacity = 8;

/**
 * The events of one entity in the total order (time, partition, offset), with running sums of every measure: any window [from, to) is two binary searches and a
 * subtraction. An event is known by its coordinates and counts once, however often and in whatever order it comes.
 *
 * Shapes: times, partitions, offsets are [size]; a measure's values [size]; its running counts and sums [size + 1], entry i over the first i events.
 * Measures are exact integers (see quantise), NaN = null. Sums are exact within 2^53 and throw beyond.
 */
export class EntityLog {
  private length = 0;
  private times = new Float64Array(firstCapacity);
  private partitions = new Int32Array(firstCapacity);
  private offsets = new Float64Array(firstCapacity);
  private values: Float64Array[];
  private counts: Float64Array[];
  private sums: Float64Array[];

  constructor(readonly measureCount: number) {
    this.values = Array.from({ length: measureCount }, () => new Float64Array(firstCapacity));
    this.counts = Array.from({ length: measureCount }, () => new Float64Array(firstCapacity + 1));
    this.sums = Array.from({ length: measureCount }, () => new Float64Array(firstCapacity + 1));
  }

  get size(): number {
    return this.length;
  }

  /**
   * @param ts event time, epoch ms
   * @param measures [measureCount], NaN = null
   * @returns false when the event is there already
   */
  insert(ts: number, partition: number, offset: number, measures: ArrayLike<number>): boolean {
    let at = this.length;
    while (at > 0 && this.compare(at - 1, ts, partition, offset) > 0) at -= 1;
    if (at > 0 && this.compare(at - 1, ts, partition, offset) === 0) return false;
    if (this.length === this.times.length) this.grow();
    this.shift(at);
    this.times[at] = ts;
    this.partitions[at] = partition;
    this.offsets[at] = offset;
    for (let m = 0; m < this.measureCount; m += 1) this.values[m]![at] = measures[m]!;
    this.length += 1;
    for (let m = 0; m < this.measureCount; m += 1) this.sumFrom(m, at);
    return true;
  }

  /** The number of events with a time before `ts`: the index of the first at or after it. */
  lowerBound(ts: number): number {
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.times[middle]! < ts) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  time(index: number): number {
    return this.times[index]!;
  }

  /** NaN = null */
  value(measure: number, index: number): number {
    return this.values[measure]![index]!;
  }

  /** How many of the events from..to-1 have this measure. */
  count(measure: number, from: number, to: number): number {
    return this.counts[measure]![to]! - this.counts[measure]![from]!;
  }

  /** The exact sum of this measure over the events from..to-1. */
  sum(measure: number, from: number, to: number): number {
    return this.sums[measure]![to]! - this.sums[measure]![from]!;
  }

  private compare(index: number, ts: number, partition: number, offset: number): number {
    return this.times[index]! - ts || this.partitions[index]! - partition || this.offsets[index]! - offset;
  }

  private shift(at: number): void {
    if (at === this.length) return;
    this.times.copyWithin(at + 1, at, this.length);
    this.partitions.copyWithin(at + 1, at, this.length);
    this.offsets.copyWithin(at + 1, at, this.length);
    for (const column of this.values) column.copyWithin(at + 1, at, this.length);
  }

  private sumFrom(measure: number, at: number): void {
    const [values, counts, sums] = [this.values[measure]!, this.counts[measure]!, this.sums[measure]!];
    for (let i = at; i < this.length; i += 1) {
      const value = values[i]!;
      const isNull = Number.isNaN(value);
      counts[i + 1] = counts[i]! + (isNull ? 0 : 1);
      const sum = sums[i]! + (isNull ? 0 : value);
      if (!Number.isSafeInteger(sum))
        throw new RangeError(`the running sum of measure ${measure} leaves the exact range of 2^53`);
      sums[i + 1] = sum;
    }
  }

  private grow(): void {
    const capacity = this.times.length * 2;
    this.times = enlarged(this.times, new Float64Array(capacity));
    this.partitions = enlarged(this.partitions, new Int32Array(capacity));
    this.offsets = enlarged(this.offsets, new Float64Array(capacity));
    this.values = this.values.map((column) => enlarged(column, new Float64Array(capacity)));
    this.counts = this.counts.map((column) => enlarged(column, new Float64Array(capacity + 1)));
    this.sums = this.sums.map((column) => enlarged(column, new Float64Array(capacity + 1)));
  }
}

function enlarged<A extends Float64Array | Int32Array>(old: A, made: A): A {
  made.set(old);
  return made;
}
