import { entryOverheadBytes, HpackDynamicTable } from './hpack-dynamic-table.js';
import { HpackError } from './hpack-error.js';
import { decodeHuffman, maxHuffmanDecodedBytes } from './hpack-huffman.js';
import { lastStaticIndex, staticNames, staticValues } from './hpack-static-table.js';

/** Name, value, name, value ...: as they were on the wire, Latin-1; whether a name is a right one is for the caller to say. */
export type HeaderList = readonly string[];

/** What a peer's table has before our SETTINGS have reached it, RFC 9113 section 6.5.2. */
const firstTableBytes = 4096;
/** Integers of more are refused (RFC 7541 section 5.1): neither an index nor a length of ours is near. */
const maxInteger = 2 ** 31 - 1;
const maxContinuationBytes = 5;

const nothing = Buffer.alloc(0);
/** Decoding is never suspended, so connections share it. */
const scratch = Buffer.allocUnsafeSlow(4096);

/** Decodes the header blocks of one connection in the order in which they came (RFC 7541). After an error it is of no more use: end the connection. */
export class HpackDecoder {
  private readonly table: HpackDynamicTable;
  private block: Buffer = nothing;
  private at = 0;

  /**
   * @param maxTableBytes what our SETTINGS_HEADER_TABLE_SIZE says; at least 4096, which a peer may use before it has seen them
   * @param maxListBytes the most that a list may have: names, values and 32 for each pair (RFC 9113 section 6.5.2)
   * @throws RangeError
   */
  constructor(
    maxTableBytes = firstTableBytes,
    private readonly maxListBytes = 16_384,
  ) {
    if (maxTableBytes < firstTableBytes) throw new RangeError(`a table of ${maxTableBytes} bytes is below 4096`);
    this.table = new HpackDynamicTable(maxTableBytes, firstTableBytes);
  }

  /**
   * A whole header block: HEADERS and its CONTINUATIONs joined. What a list costs is bounded by `maxListBytes`, however often the block names a large entry; how long
   * a block may be is for the caller to bound.
   * @returns the list, empty for an empty block; undefined where it is larger than `maxListBytes`, and the next block can be decoded all the same @throws HpackError
   */
  decode(block: Uint8Array): HeaderList | undefined {
    this.block = Buffer.isBuffer(block) ? block : Buffer.from(block.buffer, block.byteOffset, block.byteLength);
    this.at = 0;
    try {
      this.sizeUpdates();
      return this.pairs();
    } finally {
      this.block = nothing;
    }
  }

  private pairs(): HeaderList | undefined {
    const { block, table } = this;
    const end = block.length;
    let list: string[] | undefined = [];
    let bytes = 0;
    while (this.at < end) {
      const first = block[this.at] as number;
      let name: string;
      let value: string;
      if (first >= 0x80) {
        const index = this.integer(0x7f);
        if (index <= lastStaticIndex) {
          if (index === 0) throw new HpackError('index 0');
          name = staticNames[index] as string;
          value = staticValues[index] as string;
        } else {
          const slot = this.slotOf(index);
          name = table.nameIn(slot);
          value = table.valueIn(slot);
        }
      } else if (first >= 0x40) {
        name = this.name(this.integer(0x3f));
        value = this.string();
        table.add(name, value);
      } else if (first >= 0x20) {
        throw new HpackError('the size of the table changes in the middle of a block');
      } else {
        name = this.name(this.integer(0x0f));
        value = this.string();
      }
      if (list === undefined) continue;
      bytes += name.length + value.length + entryOverheadBytes;
      if (bytes > this.maxListBytes) list = undefined;
      else list.push(name, value);
    }
    return list;
  }

  private sizeUpdates(): void {
    while (this.at < this.block.length && ((this.block[this.at] as number) & 0xe0) === 0x20) {
      const bytes = this.integer(0x1f);
      if (!this.table.resize(bytes)) throw new HpackError(`a table of ${bytes} bytes, ${this.table.capBytes} at most`);
    }
  }

  private slotOf(index: number): number {
    const slot = this.table.slot(index - lastStaticIndex - 1);
    if (slot < 0) throw new HpackError(`index ${index} is beyond the table`);
    return slot;
  }

  private name(index: number): string {
    if (index === 0) return this.string();
    return index <= lastStaticIndex ? (staticNames[index] as string) : this.table.nameIn(this.slotOf(index));
  }

  private string(): string {
    const { block } = this;
    if (this.at >= block.length) throw new HpackError('a block ends before a string');
    const huffman = (block[this.at] as number) >= 0x80;
    const length = this.integer(0x7f);
    const start = this.at;
    const end = start + length;
    if (end > block.length) throw new HpackError(`a string of ${length} bytes, ${block.length - start} are left`);
    this.at = end;
    if (!huffman) return block.toString('latin1', start, end);
    const most = maxHuffmanDecodedBytes(length);
    const into = most <= scratch.length ? scratch : Buffer.allocUnsafe(most);
    return into.toString('latin1', 0, decodeHuffman(block, start, end, into));
  }

  /** @param prefix a bit for each that the integer has of its first byte, which is there */
  private integer(prefix: number): number {
    const { block } = this;
    let value = (block[this.at++] as number) & prefix;
    if (value < prefix) return value;
    for (let count = 0, weight = 1; count < maxContinuationBytes; count++, weight *= 128) {
      if (this.at >= block.length) throw new HpackError('a block ends in the middle of an integer');
      const byte = block[this.at++] as number;
      value += (byte & 0x7f) * weight;
      if (value > maxInteger) throw new HpackError('an integer above 2^31 - 1');
      if (byte < 0x80) return value;
    }
    throw new HpackError(`an integer of more than ${maxContinuationBytes + 1} bytes`);
  }
}
