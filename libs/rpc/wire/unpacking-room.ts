/** What the packed messages of one connection may have become in all, bytes: thousands of small ones can each be as large as a message may be. */
const capacityBytes = 64 * 1_048_576;

/** Room for what is unpacked on one connection. Those that find none wait, packed, in the order in which they came; nobody is refused for what others sent. */
export class UnpackingRoom {
  private free = capacityBytes;
  private readonly waiting: { bytes: number; enter: () => void }[] = [];

  /** @returns what was taken: not more than there is at all */
  async take(wantedBytes: number): Promise<number> {
    const bytes = Math.min(wantedBytes, capacityBytes);
    if (this.waiting.length === 0 && bytes <= this.free) this.free -= bytes;
    else await new Promise<void>((enter) => this.waiting.push({ bytes, enter }));
    return bytes;
  }

  give(bytes: number): void {
    this.free += bytes;
    for (let first = this.waiting[0]; first !== undefined && first.bytes <= this.free; first = this.waiting[0]) {
      this.waiting.shift();
      this.free -= first.bytes;
      first.enter();
    }
  }
}
