import { ConnectionError, errorCode, frameHeaderBytes, maxFrameBytes } from './frame.js';

/** @param payload a view of what was received, valid for as long as it is held */
export type TakeFrame = (type: number, flags: number, streamId: number, payload: Buffer) => void;

/** Cuts what a socket gives into frames. A frame that lies within one piece is a view of it; one that does not is joined. Holds at most one frame. */
export class FrameReader {
  /** The beginning of a frame that has not come whole. */
  private partial: Buffer | undefined;
  private stopped = false;

  constructor(private readonly take: TakeFrame) {}

  /** @throws ConnectionError where a frame is larger than we take, and what `take` throws */
  feed(chunk: Buffer): void {
    if (this.stopped) return;
    let at = this.partial === undefined ? 0 : this.complete(this.partial, chunk);
    while (!this.stopped && chunk.length - at >= frameHeaderBytes) {
      const end = at + frameHeaderBytes + payloadBytes(chunk, at);
      if (end > chunk.length) break;
      this.emit(chunk, at, end);
      at = end;
    }
    // A copy: a few bytes must not hold the whole piece.
    if (at < chunk.length) this.partial = Buffer.from(chunk.subarray(at));
  }

  /** What comes after is not looked at. */
  stop(): void {
    this.stopped = true;
    this.partial = undefined;
  }

  /** @returns how much of the chunk went into the partial frame: all of it where that is still not whole */
  private complete(partial: Buffer, chunk: Buffer): number {
    this.partial = undefined;
    const missing = frameHeaderBytes - partial.length;
    if (chunk.length < missing) {
      this.partial = Buffer.concat([partial, chunk]);
      return chunk.length;
    }
    const head = missing > 0 ? Buffer.concat([partial, chunk.subarray(0, missing)]) : partial;
    const total = frameHeaderBytes + payloadBytes(head, 0);
    const taken = Math.min(total - partial.length, chunk.length);
    const frame = Buffer.concat([partial, chunk.subarray(0, taken)]);
    if (frame.length < total) this.partial = frame;
    else if (!this.stopped) this.emit(frame, 0, total);
    return taken;
  }

  private emit(bytes: Buffer, at: number, end: number): void {
    const streamId = bytes.readUInt32BE(at + 5) & 0x7fffffff; // the first bit is reserved
    this.take(bytes[at + 3]!, bytes[at + 4]!, streamId, bytes.subarray(at + frameHeaderBytes, end));
  }
}

function payloadBytes(bytes: Buffer, at: number): number {
  const length = bytes.readUIntBE(at, 3);
  if (length > maxFrameBytes)
    throw new ConnectionError(
      errorCode.frameSizeError,
      `a frame of ${length} bytes, at most ${maxFrameBytes} are taken`,
    );
  return length;
}
