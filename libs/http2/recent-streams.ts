const kept = 256;

/** The streams that were closed last, and how: a frame that comes late for one that we have reset is no fault, for one that had ended it is. */
export class RecentStreams {
  /** Ids, negative where we have reset it. */
  private readonly ids = new Int32Array(kept);
  private next = 0;

  add(id: number, isReset: boolean): void {
    this.ids[this.next] = isReset ? -id : id;
    this.next = (this.next + 1) % kept;
  }

  has(id: number): boolean {
    return this.ids.includes(id) || this.wasReset(id);
  }

  wasReset(id: number): boolean {
    return this.ids.includes(-id);
  }
}
