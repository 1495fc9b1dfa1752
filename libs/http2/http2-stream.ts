import type { HeaderList } from './hpack-decoder.js';
import { errorCode, frameType } from './frame.js';

/** What a peer may send on a stream before we have taken it out of the way. */
export const streamWindowBytes = 262_144;

/** What a stream does where it happens; none of it may throw. */
export interface StreamOwner {
  /** Trailers of a request; headers, then trailers of an answer. @param end nothing follows */
  headers(headers: HeaderList, end: boolean): void;
  /** @param bytes a view of what was received @param end nothing follows */
  data(bytes: Buffer, end: boolean): void;
  /** All that was queued has been sent. */
  drained(): void;
  /** The peer has reset it, or the connection is gone, before both sides had ended it. @param code why, one of `errorCode` */
  aborted(code: number): void;
}

/** How a stream sends. */
export interface StreamSender {
  headers(stream: Http2Stream, block: Buffer, end: boolean): void;
  data(stream: Http2Stream, first: Uint8Array, second: Uint8Array): void;
  number(type: number, streamId: number, value: number): void;
}

/** Who keeps the streams of a connection. */
export interface StreamKeeper {
  ended(stream: Http2Stream): void;
  reset(stream: Http2Stream, code: number): void;
  /** A stream is over whose work is not. */
  abandonedBegins(): void;
  abandonedIsOver(): void;
}

/** What has to be done for a stream before its windows let it. */
interface Queue {
  readonly pieces: Uint8Array[];
  /** A block that ends the stream after the pieces. */
  trailers: Buffer | undefined;
}

/** One stream of a connection: its two halves, its two windows, what waits to be sent. */
export class Http2Stream {
  owner!: StreamOwner;
  queue: Queue | undefined;
  queuedBytes = 0;
  localEnded = false;
  remoteEnded = false;
  isClosed = false;
  /** Of content-length; undefined = not told. */
  expectedBytes: number | undefined;
  /** Its headers, of a stream of ours, have come. */
  hasAnswer = false;
  receiveWindow = streamWindowBytes;
  private consumedBytes = 0;
  private isAbandoned = false;

  /** @param sendWindow bytes that the peer takes; may become negative */
  constructor(
    readonly id: number,
    private readonly sender: StreamSender,
    private readonly keeper: StreamKeeper,
    public sendWindow: number,
  ) {}

  sendHeaders(block: Buffer, end = false): void {
    if (this.isClosed || this.localEnded) return;
    this.sender.headers(this, block, end);
    if (end) this.endHere();
  }

  /** DATA of the one after the other, which waits where the windows ask for it. Neither may be changed afterwards. */
  send(first: Uint8Array, second: Uint8Array): void {
    if (!this.isClosed && !this.localEnded) this.sender.data(this, first, second);
  }

  /** Ends our half after what is queued. */
  sendTrailers(block: Buffer): void {
    if (this.isClosed || this.localEnded) return;
    if (this.queue === undefined) return this.sendHeaders(block, true);
    this.localEnded = true;
    this.queue.trailers = block;
  }

  /** Ends our half without trailers, after what is queued: an empty DATA. */
  end(): void {
    this.sendTrailers(noTrailers);
  }

  /** Our last frame is out. */
  endHere(): void {
    this.localEnded = true;
    this.keeper.ended(this);
  }

  reset(code: number = errorCode.cancel): void {
    if (!this.isClosed) this.keeper.reset(this, code);
  }

  /** So much of what was received is out of the way: the peer may send as much again. */
  consumed(bytes: number): void {
    this.consumedBytes += bytes;
    if (this.remoteEnded || this.isClosed || this.consumedBytes < streamWindowBytes / 2) return;
    this.receiveWindow += this.consumedBytes;
    this.sender.number(frameType.windowUpdate, this.id, this.consumedBytes);
    this.consumedBytes = 0;
  }

  /** Counts what has come against what was said would come. @returns whether it is more, or less at the end */
  missesBytes(bytes: number, end: boolean): boolean {
    if (this.expectedBytes === undefined) return false;
    this.expectedBytes -= bytes;
    return !(this.expectedBytes >= 0) || (end && this.expectedBytes > 0);
  }

  /** It is over, and what it asked for is still worked on: until `workIsOver` it counts as one of the streams that the peer has open. */
  isStillWorkedOn(): void {
    if (this.isAbandoned) return;
    this.isAbandoned = true;
    this.keeper.abandonedBegins();
  }

  /** The work for it is over, whether anybody waited for it or not. */
  workIsOver(): void {
    if (!this.isAbandoned) return;
    this.isAbandoned = false;
    this.keeper.abandonedIsOver();
  }
}

/** Stands for an end without trailers. */
export const noTrailers = Buffer.alloc(0);
