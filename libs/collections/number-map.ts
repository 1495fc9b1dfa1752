const smallest = 16;
const golden = 0x9e3779b1; // 2^32 over the golden ratio: spreads ids that follow each other

/**
 * A Map of positive integers to objects, for entries that come and go by the thousand a second. A `Map` of V8 makes a new table whenever enough was deleted from the old one, and the old one, which holds what it
 * held last, points at the new one. Once one of them is old, all that follow it are kept from young collections, with every entry that they had: each call of a busy server then lives until the whole heap is
 * collected. Here what is deleted is overwritten.
 *
 * Open addressing, linear probing; at most half of the places are taken.
 */
export class NumberMap<V extends object> {
  size = 0;
  private keys: number[] = [];
  private entries: (V | undefined)[] = [];
  private shift = 0;

  constructor() {
    this.make(smallest);
  }

  get(key: number): V | undefined {
    return this.entries[this.find(key)];
  }

  set(key: number, value: V): void {
    let at = this.find(key);
    if (this.entries[at] === undefined) {
      if (2 * (this.size + 1) > this.keys.length) {
        this.grow();
        at = this.find(key);
      }
      this.size += 1;
    }
    this.keys[at] = key;
    this.entries[at] = value;
  }

  /** @returns whether it was there */
  delete(key: number): boolean {
    const at = this.find(key);
    if (this.entries[at] === undefined) return false;
    this.size -= 1;
    this.closeGap(at);
    return true;
  }

  clear(): void {
    this.size = 0;
    this.make(smallest);
  }

  /** Those of this moment, in no order. */
  values(): V[] {
    return this.entries.filter((value) => value !== undefined);
  }

  /** Where it is, or where it would be. */
  private find(key: number): number {
    const mask = this.keys.length - 1;
    let at = this.home(key);
    while (this.entries[at] !== undefined && this.keys[at] !== key) at = (at + 1) & mask;
    return at;
  }

  private home(key: number): number {
    return Math.imul(key, golden) >>> this.shift;
  }

  /** Moves back what stands further from its home than it needs to, so that no search ends too early. */
  private closeGap(free: number): void {
    const mask = this.keys.length - 1;
    for (let at = (free + 1) & mask; this.entries[at] !== undefined; at = (at + 1) & mask) {
      const fromHome = (at - this.home(this.keys[at]!)) & mask;
      if (fromHome < ((at - free) & mask)) continue;
      this.keys[free] = this.keys[at]!;
      this.entries[free] = this.entries[at];
      free = at;
    }
    this.entries[free] = undefined;
  }

  private grow(): void {
    const { keys, entries } = this;
    this.size = 0;
    this.make(2 * keys.length);
    entries.forEach((value, i) => {
      if (value !== undefined) this.set(keys[i]!, value);
    });
    entries.fill(undefined); // the old table may be old, and holds nothing any more
  }

  private make(places: number): void {
    this.keys = Array.from({ length: places }, () => 0);
    this.entries = Array.from({ length: places });
    this.shift = 32 - Math.log2(places);
  }
}
