import type { Socket } from 'node:net';
import {
  ConnectionError,
  defaultWindowBytes,
  errorCode,
  frameFlag,
  frameType,
  maxFrameBytes,
  maxInt31,
} from './frame.js';
import { type Http2Stream, noTrailers, type StreamSender } from './http2-stream.js';
import { Outbox, worthNoCopy } from './outbox.js';
import type { PeerSettings } from './peer-settings.js';

/** What waits to be sent to one peer, bytes: one that reads nothing is dropped there. */
const maxUnsentBytes = 64 * 1_048_576;
/** A stream that waits sends so much before the next one does, bytes. */
const turnBytes = 65_536;
/** A dynamic table of no entries, at the beginning of a header block. */
const emptyTable = Buffer.of(0x20);

/** What one side of a connection sends: at once where the peer's windows and the socket let it, else in turn with the streams that wait. */
export class Http2Sender implements StreamSender {
  private readonly outbox: Outbox;
  /** Those with something queued that their own windows let through, in the order in which they get their turn: whoever widens the connection's window by one must not have us look at all. */
  private readonly waiting = new Set<Http2Stream>();
  private queuedBytes = 0;
  private window = defaultWindowBytes;

  /** @param drop ends the connection */
  constructor(
    socket: Socket,
    private readonly peer: PeerSettings,
    private readonly drop: (why: ConnectionError) => void,
  ) {
    this.outbox = new Outbox(socket);
    socket.on('drain', () => this.takeTurns());
  }

  /** Not sent by the kernel yet; of DATA not more than a socket is filled with. */
  get unsentBytes(): number {
    return this.outbox.unsentBytes;
  }

  headers(stream: Http2Stream, block: Buffer, end: boolean): void {
    if (block === noTrailers) return this.outbox.frame(frameType.data, frameFlag.endStream, stream.id, block);
    const whole = this.peer.isTableSmaller ? Buffer.concat([emptyTable, block]) : block;
    this.peer.isTableSmaller = false;
    const flags = end ? frameFlag.endStream : 0;
    if (whole.length <= maxFrameBytes)
      return this.outbox.frame(frameType.headers, flags | frameFlag.endHeaders, stream.id, whole);
    this.outbox.frame(frameType.headers, flags, stream.id, whole.subarray(0, maxFrameBytes));
    for (let at = maxFrameBytes; at < whole.length; at += maxFrameBytes) {
      const isLast = at + maxFrameBytes >= whole.length;
      const part = whole.subarray(at, at + maxFrameBytes);
      this.outbox.frame(frameType.continuation, isLast ? frameFlag.endHeaders : 0, stream.id, part);
    }
  }

  data(stream: Http2Stream, first: Uint8Array, second: Uint8Array): void {
    const length = first.length + second.length;
    const fits = length <= this.window && length <= stream.sendWindow && length <= this.peer.maxFrameBytes;
    if (fits && stream.queue === undefined && !this.outbox.isFull) {
      this.spend(stream, length);
      this.outbox.frame(frameType.data, 0, stream.id, first, second);
      return;
    }
    stream.queue ??= { pieces: [], trailers: undefined };
    if (length < worthNoCopy) stream.queue.pieces.push(Buffer.concat([first, second]));
    else stream.queue.pieces.push(Buffer.from(first), second);
    stream.queuedBytes += length;
    this.queuedBytes += length;
    this.waiting.add(stream);
    // One message may be larger.
    if (this.queuedBytes - length + this.outbox.unsentBytes > maxUnsentBytes)
      this.drop(new ConnectionError(errorCode.enhanceYourCalm, 'the peer does not read what it asked for'));
    else this.takeTurn(stream);
  }

  /** RST_STREAM and WINDOW_UPDATE: a frame of one number. */
  number(type: number, streamId: number, value: number): void {
    this.outbox.frame(type, 0, streamId, fourBytes(value));
  }

  control(type: number, flags: number, payload: Uint8Array): void {
    this.outbox.frame(type, flags, 0, payload);
  }

  goaway(lastStreamId: number, code: number): void {
    this.outbox.frame(frameType.goaway, 0, 0, Buffer.concat([fourBytes(lastStreamId), fourBytes(code)]));
  }

  /** As they are: a client's preface. */
  bytes(bytes: Uint8Array): void {
    this.outbox.bytes(bytes);
  }

  flush(): void {
    this.outbox.flush();
  }

  /** The peer takes more on all streams together. @throws ConnectionError where that is more than a window can be */
  widenAll(bytes: number): void {
    this.window += bytes;
    if (this.window > maxInt31)
      throw new ConnectionError(errorCode.flowControlError, `a window of ${this.window} bytes`);
    this.takeTurns();
  }

  /** The peer takes more of one stream, or less. @returns false where that is more than a window can be */
  widen(stream: Http2Stream, bytes: number): boolean {
    stream.sendWindow += bytes;
    if (stream.sendWindow > maxInt31) return false;
    if (stream.queue !== undefined && stream.sendWindow > 0) {
      this.waiting.add(stream);
      this.takeTurn(stream);
    }
    return true;
  }

  /** What it had queued is not sent any more. */
  forget(stream: Http2Stream): void {
    if (stream.queue === undefined) return;
    this.queuedBytes -= stream.queuedBytes;
    stream.queuedBytes = 0;
    stream.queue = undefined;
    this.waiting.delete(stream);
  }

  /** Those that wait, each a turn, until the windows or the socket are full or nobody waits. */
  takeTurns(): void {
    while (this.waiting.size > 0 && this.window > 0 && !this.outbox.isFull) {
      const [stream] = this.waiting as Iterable<Http2Stream>;
      this.takeTurn(stream!);
      if (this.waiting.delete(stream!)) this.waiting.add(stream!);
    }
  }

  private takeTurn(stream: Http2Stream): void {
    const queue = stream.queue!;
    if (stream.sendWindow <= 0) this.waiting.delete(stream);
    for (let turn = turnBytes; queue.pieces.length > 0;) {
      const piece = queue.pieces[0]!;
      const length = Math.min(piece.length, turn, this.window, stream.sendWindow, this.peer.maxFrameBytes);
      if (length <= 0 || this.outbox.isFull) return;
      this.spend(stream, length);
      if (stream.sendWindow === 0) this.waiting.delete(stream);
      this.outbox.frame(frameType.data, 0, stream.id, piece.subarray(0, length));
      if (length === piece.length) queue.pieces.shift();
      else queue.pieces[0] = piece.subarray(length);
      stream.queuedBytes -= length;
      this.queuedBytes -= length;
      turn -= length;
    }
    stream.queue = undefined;
    this.waiting.delete(stream);
    if (queue.trailers === undefined) return stream.owner.drained();
    this.headers(stream, queue.trailers, true);
    stream.endHere();
  }

  private spend(stream: Http2Stream, bytes: number): void {
    stream.sendWindow -= bytes;
    this.window -= bytes;
  }
}

function fourBytes(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
