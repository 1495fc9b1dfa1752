import { status } from '@grpc/grpc-js';
import { prefixBytes } from './send-message.js';

/** What a message that has not come whole gets at first, bytes: whoever announces a large one has to send it to have room kept for it. */
const firstRoomBytes = 65_536;
/** What the messages of one connection hold that are not whole, or wait for their reader, bytes. */
export class HeldBytes {
  private held = 0;

  constructor(private readonly maxBytes: number) {}

  /** @throws MessageRefused where it is too much */
  take(bytes: number): void {
    if (this.held + bytes > this.maxBytes)
      throw new MessageRefused(
        status.RESOURCE_EXHAUSTED,
        `messages of one connection hold more than ${this.maxBytes} bytes`,
      );
    this.held += bytes;
  }

  free(bytes: number): void {
    this.held -= bytes;
  }
}

/** A message that ends its call. */
export class MessageRefused extends Error {
  constructor(
    readonly code: status,
    readonly details: string,
  ) {
    super(details);
  }
}

export interface MessageSink {
  /** @param message without its prefix; a view of what was received where it came in one piece */
  received(message: Buffer, isCompressed: boolean): void;
}

/** Cuts the DATA of a stream into messages: a byte that says whether it is compressed, four of length (big-endian), so many bytes. */
export class MessageReader {
  /** Of one that did not come in one piece. */
  private prefix: Buffer | undefined;
  private prefixFilled = 0;
  /** Of the message that has not come whole; undefined = between two. */
  private body: Buffer | undefined;
  private filled = 0;
  private length = 0;
  private isCompressed = false;

  /** @param maxBytes of one message as it comes */
  constructor(
    private readonly sink: MessageSink,
    private readonly maxBytes: number,
    private readonly held: HeldBytes,
  ) {}

  /** @throws MessageRefused */
  feed(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.body !== undefined) {
        at += this.fill(this.body, chunk, at);
        continue;
      }
      at += this.readPrefix(chunk, at);
      if (this.prefixFilled < prefixBytes) return;
      this.prefixFilled = 0;
      if (chunk.length - at < this.length) {
        const room = Math.min(this.length, firstRoomBytes);
        this.held.take(room);
        this.body = Buffer.allocUnsafeSlow(room);
        this.filled = 0;
        continue;
      }
      const message = chunk.subarray(at, at + this.length);
      at += this.length;
      this.sink.received(message, this.isCompressed);
    }
  }

  /** Whether a message has begun and not ended. */
  get isWithin(): boolean {
    return this.body !== undefined || this.prefixFilled > 0;
  }

  /** What has come of a message is not needed any more. */
  drop(): void {
    if (this.body !== undefined) this.held.free(this.body.length);
    this.body = undefined;
  }

  /** @returns how many bytes of the chunk were its */
  private readPrefix(chunk: Buffer, at: number): number {
    if (this.prefixFilled === 0 && chunk.length - at >= prefixBytes) {
      this.prefixFilled = prefixBytes;
      this.begin(chunk, at);
      return prefixBytes;
    }
    const taken = Math.min(prefixBytes - this.prefixFilled, chunk.length - at);
    const prefix = (this.prefix ??= Buffer.allocUnsafe(prefixBytes));
    chunk.copy(prefix, this.prefixFilled, at, at + taken);
    this.prefixFilled += taken;
    if (this.prefixFilled === prefixBytes) this.begin(prefix, 0);
    return taken;
  }

  private begin(bytes: Buffer, at: number): void {
    const flag = bytes[at]!;
    if (flag > 1) throw new MessageRefused(status.INVALID_ARGUMENT, `a message begins with ${flag}, expected 0 or 1`);
    this.isCompressed = flag === 1;
    this.length = bytes.readUInt32BE(at + 1);
    if (this.length > this.maxBytes)
      throw new MessageRefused(
        status.RESOURCE_EXHAUSTED,
        `Received message larger than max (${this.length} vs. ${this.maxBytes})`,
      );
  }

  private fill(body: Buffer, chunk: Buffer, at: number): number {
    const taken = Math.min(this.length - this.filled, chunk.length - at);
    const room = this.filled + taken > body.length ? this.grow(body, this.filled + taken) : body;
    chunk.copy(room, this.filled, at, at + taken);
    this.filled += taken;
    if (this.filled < this.length) return taken;
    this.drop();
    this.sink.received(room, this.isCompressed);
    return taken;
  }

  /** As a whole it is as long as the message: what is filled last is not cut. */
  private grow(body: Buffer, bytes: number): Buffer {
    const room = Math.min(this.length, Math.max(body.length * 2, bytes));
    this.held.take(room - body.length);
    const larger = Buffer.allocUnsafeSlow(room);
    body.copy(larger, 0, 0, this.filled);
    this.body = larger;
    return larger;
  }
}
