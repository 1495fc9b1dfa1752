/** What an entry costs beside its bytes, RFC 7541 section 4.1. */
export const entryOverheadBytes = 32;

/** The entries of one direction of a connection, the newest first (RFC 7541 section 2.3.2): a ring that is made once, for as many entries as fit. */
export class HpackDynamicTable {
  private readonly names: string[];
  private readonly values: string[];
  private readonly mask: number;
  /** Where the newest is; older ones follow. */
  private newest = 0;
  private count = 0;
  private bytes = 0;

  /** @param capBytes the most that `resize` may ask for @param limitBytes what entries may take now */
  constructor(
    readonly capBytes: number,
    private limitBytes: number,
  ) {
    const entries = Math.max(1, Math.floor(capBytes / entryOverheadBytes));
    const room = 2 ** Math.ceil(Math.log2(entries));
    this.mask = room - 1;
    this.names = Array.from({ length: room }, () => '');
    this.values = Array.from({ length: room }, () => '');
  }

  /** @param place 0 for the newest @returns the slot for `nameIn` and `valueIn`, or -1 where no entry is */
  slot(place: number): number {
    return place < this.count ? (this.newest + place) & this.mask : -1;
  }

  nameIn(slot: number): string {
    return this.names[slot] as string;
  }

  valueIn(slot: number): string {
    return this.values[slot] as string;
  }

  /** One larger than the whole table empties it and is not kept: no error (RFC 7541 section 4.4). */
  add(name: string, value: string): void {
    const bytes = name.length + value.length + entryOverheadBytes;
    this.evictDownTo(this.limitBytes - bytes);
    if (bytes > this.limitBytes) return;
    this.newest = (this.newest - 1) & this.mask;
    this.names[this.newest] = name;
    this.values[this.newest] = value;
    this.count++;
    this.bytes += bytes;
  }

  /** @returns false, and does nothing, where that is more than `capBytes` */
  resize(limitBytes: number): boolean {
    if (limitBytes > this.capBytes) return false;
    this.limitBytes = limitBytes;
    this.evictDownTo(limitBytes);
    return true;
  }

  private evictDownTo(bytes: number): void {
    while (this.count > 0 && this.bytes > bytes) {
      const oldest = (this.newest + this.count - 1) & this.mask;
      this.bytes -= this.nameIn(oldest).length + this.valueIn(oldest).length + entryOverheadBytes;
      // What was evicted is not to be held by the ring.
      this.names[oldest] = '';
      this.values[oldest] = '';
      this.count--;
    }
  }
}
