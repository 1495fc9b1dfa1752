import type { Socket } from 'node:net';
import { frameHeaderBytes, writeFrameHeader } from './frame.js';

const smallestRoom = 2_048;
/** Frames are gathered into pieces of at most that, bytes. */
const largestRoom = 65_536;
/** What is at least so large is handed to the socket as it is, bytes: a copy would cost more than one more piece of a write. */
export const worthNoCopy = 8_192;
/** Beyond that the socket is full, bytes: messages wait with their stream, where they can be counted. */
const fullBytes = 1_048_576;

/**
 * What goes out over one socket: all that is written in one turn of the event loop, by however many streams, goes out by one write at its end. A write to a socket costs some 5 us, a frame that is
 * added to one costs nothing to speak of.
 */
export class Outbox {
  private room = Buffer.allocUnsafeSlow(smallestRoom);
  /** Where what is in the room, and in no piece yet, begins and ends. */
  private from = 0;
  private to = 0;
  private readonly pieces: Uint8Array[] = [];
  private waitingBytes = 0;
  private isDue = false;

  constructor(private readonly socket: Socket) {}

  /** Not sent by the kernel yet, bytes. */
  get unsentBytes(): number {
    return this.waitingBytes + this.socket.writableLength;
  }

  /** Whether DATA should wait until the socket has drained. */
  get isFull(): boolean {
    return this.unsentBytes > fullBytes;
  }

  /** A frame whose payload is the one after the other. The second is not copied where it is large: it must not be changed until it is sent. */
  frame(type: number, flags: number, streamId: number, first: Uint8Array, second?: Uint8Array): void {
    const length = first.length + (second?.length ?? 0);
    this.reserve(frameHeaderBytes);
    writeFrameHeader(this.room, this.to, length, type, flags, streamId);
    this.to += frameHeaderBytes;
    this.waitingBytes += frameHeaderBytes;
    this.bytes(first);
    if (second !== undefined) this.bytes(second);
  }

  /** As they are. */
  bytes(bytes: Uint8Array): void {
    this.waitingBytes += bytes.length;
    if (bytes.length >= worthNoCopy) {
      this.cut();
      this.pieces.push(bytes);
    } else {
      this.reserve(bytes.length);
      this.room.set(bytes, this.to);
      this.to += bytes.length;
    }
    this.flushSoon();
  }

  flush(): void {
    this.isDue = false;
    if (this.waitingBytes === 0 || this.socket.destroyed) return;
    this.cut();
    this.waitingBytes = 0;
    if (this.pieces.length === 1) this.socket.write(this.pieces[0]!);
    else {
      this.socket.cork();
      for (const piece of this.pieces) this.socket.write(piece);
      this.socket.uncork();
    }
    this.pieces.length = 0;
    // What the kernel has taken at once, which is nearly always all, leaves its room free.
    if (this.socket.writableLength === 0) this.from = this.to = 0;
  }

  private reserve(bytes: number): void {
    if (this.to + bytes <= this.room.length) return;
    const held = this.to - this.from;
    if (this.from === 0 && this.pieces.length === 0 && held + bytes <= largestRoom) {
      const larger = Buffer.allocUnsafeSlow(Math.min(largestRoom, 2 ** Math.ceil(Math.log2(held + bytes))));
      larger.set(this.room.subarray(0, held));
      this.room = larger;
      this.to = held;
      return;
    }
    this.cut();
    this.room = Buffer.allocUnsafeSlow(Math.max(this.room.length, worthNoCopy));
    this.from = this.to = 0;
  }

  /** What is in the room becomes a piece. */
  private cut(): void {
    if (this.to === this.from) return;
    this.pieces.push(this.room.subarray(this.from, this.to));
    this.from = this.to;
  }

  private flushSoon(): void {
    if (this.isDue) return;
    this.isDue = true;
    if (due.push(this) === 1) setImmediate(flushDue);
  }
}

let due: Outbox[] = [];

/** Of all sockets together, after all that were readable have been read. */
function flushDue(): void {
  const now = due;
  due = [];
  for (const outbox of now) outbox.flush();
}
