/** Writes ClickHouse's RowBinary: little-endian numbers, LEB128 lengths, values of a row in the order of the columns. */
export class RowBinary {
  private buffer = Buffer.allocUnsafe(1024 * 1024);
  private at = 0;

  bytes(): Buffer {
    return this.buffer.subarray(0, this.at);
  }

  string(value: string): void {
    this.blob(Buffer.from(value));
  }

  blob(value: Uint8Array): void {
    this.length(value.length);
    this.reserve(value.length);
    this.buffer.set(value, this.at);
    this.at += value.length;
  }

  bool(value: boolean): void {
    this.reserve(1);
    this.at = this.buffer.writeUInt8(value ? 1 : 0, this.at);
  }

  uint32(value: number): void {
    this.reserve(4);
    this.at = this.buffer.writeUInt32LE(value, this.at);
  }

  float32(value: number): void {
    this.reserve(4);
    this.at = this.buffer.writeFloatLE(value, this.at);
  }

  float64(value: number): void {
    this.reserve(8);
    this.at = this.buffer.writeDoubleLE(value, this.at);
  }

  /** Int64, UInt64 within 2^53, and DateTime64(3) as epoch milliseconds. */
  int64(value: number): void {
    this.reserve(8);
    this.at = this.buffer.writeBigInt64LE(BigInt(value), this.at);
  }

  array<T>(values: readonly T[], write: (value: T) => void): void {
    this.length(values.length);
    values.forEach(write);
  }

  /** Array(Float32) of bytes that are float32 little-endian already. */
  float32Array(bytes: Uint8Array): void {
    this.length(bytes.length / 4);
    this.reserve(bytes.length);
    this.buffer.set(bytes, this.at);
    this.at += bytes.length;
  }

  private length(value: number): void {
    this.reserve(5);
    let rest = value;
    while (rest >= 0x80) {
      this.buffer[this.at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.buffer[this.at++] = rest;
  }

  private reserve(bytes: number): void {
    if (this.at + bytes <= this.buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(this.buffer.length * 2, this.at + bytes));
    this.buffer.copy(larger, 0, 0, this.at);
    this.buffer = larger;
  }
}
