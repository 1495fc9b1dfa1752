import { FloodGuard } from './flood-guard.js';
import { ConnectionError, errorCode, frameFlag, frameType } from './frame.js';
import { FrameReader } from './frame-reader.js';
import { type HeaderBlock, HeaderBlocks, unpadded } from './header-blocks.js';
import type { HeaderList } from './hpack-decoder.js';
import type { Http2Sender } from './http2-sender.js';
import type { Http2Stream } from './http2-stream.js';
import { contentLengthOf, faultOf } from './message-head.js';
import type { PeerSettings } from './peer-settings.js';
import type { StreamTable } from './stream-table.js';

/** What a peer may send on all streams before we say that we have it, bytes: it is said as it comes, and what is held is bounded by each stream. */
export const connectionWindowBytes = 4_194_304;
/** Streams of a peer that are worked on at a time; more are refused, which it may try again. */
export const maxConcurrentStreams = 1_000;
/** As RFC 9113, section 10.5.1, counts. */
export const maxHeaderListBytes = 16_384;

/** Of the connection, what the peer's frames bring about beside what they do to a stream. */
export interface ReceivedBy {
  /** Its first SETTINGS have come: it speaks HTTP/2. */
  begun(): void;
  /** It has opened a stream, whose owner has to be set before this returns. @param headers undefined = more than we take */
  opened(stream: Http2Stream, headers: HeaderList | undefined, end: boolean): void;
  /** Whether it may open more. */
  readonly takesStreams: boolean;
  pingAnswered(payload: Buffer): void;
  /** It wants no more streams of ours. */
  peerLeaves(): void;
}

/** What one side of a connection receives: frames, as the RFC says what each does to its stream or to the connection, within the bounds on all that a peer may ask for. */
export class Http2Receiver {
  private readonly reader = new FrameReader((type, flags, id, payload) => this.take(type, flags, id, payload));
  private readonly blocks = new HeaderBlocks(maxHeaderListBytes);
  private readonly guard = new FloodGuard();
  private hasSettings = false;
  private receiveWindow = connectionWindowBytes;

  constructor(
    private readonly isServer: boolean,
    private readonly sender: Http2Sender,
    private readonly peer: PeerSettings,
    private readonly table: StreamTable,
    private readonly connection: ReceivedBy,
  ) {}

  /** @param bytes what the socket gave, behind a client's preface @throws ConnectionError */
  feed(bytes: Buffer): void {
    this.reader.feed(bytes);
  }

  stop(): void {
    this.reader.stop();
  }

  private take(type: number, flags: number, id: number, payload: Buffer): void {
    if (!this.hasSettings) this.begin(type, flags);
    if (this.blocks.isOpen && type !== frameType.continuation) throw broken('a header block that is not finished');
    if (type === frameType.data) this.takeData(flags, id, payload);
    else if (type === frameType.headers) {
      if (id === 0) throw broken('HEADERS of no stream');
      this.takeBlock(this.blocks.begin(flags, id, payload));
    } else if (type === frameType.continuation) this.takeBlock(this.blocks.goOn(flags, id, payload));
    else {
      this.guard.idleFrame();
      this.takeControl(type, flags, id, payload);
    }
  }

  private begin(type: number, flags: number): void {
    if (type !== frameType.settings || (flags & frameFlag.ack) !== 0) throw notBegun;
    this.hasSettings = true;
    this.connection.begun();
  }

  private takeData(flags: number, id: number, payload: Buffer): void {
    const stream = this.table.known('DATA', id);
    this.receiveWindow -= payload.length;
    if (this.receiveWindow < 0) throw new ConnectionError(errorCode.flowControlError, 'more than the window');
    if (this.receiveWindow < connectionWindowBytes / 2) {
      this.sender.number(frameType.windowUpdate, 0, connectionWindowBytes - this.receiveWindow);
      this.receiveWindow = connectionWindowBytes;
    }
    const bytes = unpadded(flags, payload);
    const end = (flags & frameFlag.endStream) !== 0;
    if (bytes.length > 0 || end) this.guard.useful();
    else this.guard.idleFrame();
    if (stream === undefined) return this.table.late(id);
    if (stream.remoteEnded) return this.abort(stream, errorCode.streamClosed);
    stream.receiveWindow -= payload.length;
    if (stream.receiveWindow < 0) return this.abort(stream, errorCode.flowControlError);
    if (bytes.length < payload.length) stream.consumed(payload.length - bytes.length);
    if (stream.missesBytes(bytes.length, end)) return this.abort(stream, errorCode.protocolError);
    if (end) stream.remoteEnded = true;
    stream.owner.data(bytes, end);
    if (end && stream.localEnded && !stream.isClosed) this.table.close(stream, false);
  }

  private takeBlock(block: HeaderBlock | undefined): void {
    if (block === undefined) return;
    const { streamId: id, end, headers } = block;
    const stream = this.table.get(id);
    if (block.isSelfDependent) throw broken('a stream that depends on itself');
    if (stream !== undefined) return this.takeFollowing(stream, headers, end);
    if (this.table.wasOurs(id)) return this.table.late(id);
    if (!this.isServer || id % 2 === 0) throw broken(`HEADERS of stream ${id}`);
    if (id > this.table.lastPeerId && !this.connection.takesStreams) return; // above what GOAWAY named: the peer knows that it was not begun
    this.admit(this.table.openedByPeer(id), headers, end);
  }

  private admit(stream: Http2Stream, headers: HeaderList | undefined, end: boolean): void {
    this.guard.useful();
    stream.remoteEnded = end;
    stream.owner = nobody;
    if (this.table.atWork > maxConcurrentStreams) return this.table.reset(stream, errorCode.refusedStream);
    if (headers !== undefined) {
      if (faultOf('request', headers) !== undefined) return this.table.reset(stream, errorCode.protocolError);
      stream.expectedBytes = contentLengthOf(headers);
      if (stream.missesBytes(0, end)) return this.table.reset(stream, errorCode.protocolError);
    }
    this.connection.opened(stream, headers, end);
  }

  /** Trailers of a request; headers or trailers of an answer. */
  private takeFollowing(stream: Http2Stream, headers: HeaderList | undefined, end: boolean): void {
    if (stream.remoteEnded) return this.abort(stream, errorCode.streamClosed);
    const isAnswer = !this.isServer && !stream.hasAnswer;
    const fault = headers === undefined ? 'too large' : faultOf(isAnswer ? 'answer' : 'trailers', headers);
    if (fault !== undefined || (!end && !isAnswer)) return this.abort(stream, errorCode.protocolError);
    this.guard.useful();
    stream.hasAnswer = true;
    if (end) stream.remoteEnded = true;
    stream.owner.headers(headers!, end);
    if (end && stream.localEnded && !stream.isClosed) this.table.close(stream, false);
  }

  private takeControl(type: number, flags: number, id: number, payload: Buffer): void {
    switch (type) {
      case frameType.rstStream:
        return this.takeReset(id, payload);
      case frameType.windowUpdate:
        return this.takeWindowUpdate(id, payload);
      case frameType.settings:
        return this.takeSettings(flags, id, payload);
      case frameType.ping:
        return this.takePing(flags, id, payload);
      case frameType.goaway:
        return this.takeGoaway(id, payload);
      case frameType.priority:
        expectLength('PRIORITY', payload, 5);
        if (id === 0 || (payload.readUInt32BE(0) & 0x7fffffff) === id) throw broken(`PRIORITY of stream ${id}`);
        return; // there are none
      case frameType.pushPromise:
        throw broken('PUSH_PROMISE: nobody may push');
    }
    // Of another type: as the RFC says, nothing.
  }

  private takeReset(id: number, payload: Buffer): void {
    expectLength('RST_STREAM', payload, 4);
    const stream = this.table.known('RST_STREAM', id);
    if (this.isServer) this.guard.reset();
    if (stream === undefined) return;
    this.table.close(stream, false);
    stream.owner.aborted(payload.readUInt32BE(0));
  }

  private takeWindowUpdate(id: number, payload: Buffer): void {
    expectLength('WINDOW_UPDATE', payload, 4);
    const bytes = payload.readUInt32BE(0) & 0x7fffffff;
    const stream = id === 0 ? undefined : this.table.known('WINDOW_UPDATE', id);
    if (bytes === 0) {
      if (stream === undefined) throw broken('WINDOW_UPDATE of 0');
      this.abort(stream, errorCode.protocolError);
    } else if (id === 0) this.sender.widenAll(bytes);
    else if (stream !== undefined && !this.sender.widen(stream, bytes)) this.abort(stream, errorCode.flowControlError);
  }

  private takeSettings(flags: number, id: number, payload: Buffer): void {
    if (id !== 0) throw broken('SETTINGS of a stream');
    if ((flags & frameFlag.ack) !== 0) return expectLength('SETTINGS acknowledged', payload, 0);
    const before = this.peer.initialWindowBytes;
    this.peer.read(payload);
    // Said first: what is sent by the new windows comes after it.
    this.sender.control(frameType.settings, frameFlag.ack, nothing);
    const wider = this.peer.initialWindowBytes - before;
    if (wider === 0) return;
    this.guard.idleFrame(this.table.size / 10); // each is looked at, and may send a byte
    for (const stream of this.table.all())
      if (!this.sender.widen(stream, wider)) throw new ConnectionError(errorCode.flowControlError, 'SETTINGS');
  }

  private takePing(flags: number, id: number, payload: Buffer): void {
    if (id !== 0) throw broken('PING of a stream');
    expectLength('PING', payload, 8);
    if ((flags & frameFlag.ack) === 0) this.sender.control(frameType.ping, frameFlag.ack, payload);
    else this.connection.pingAnswered(payload);
  }

  /** The peer wants no more streams of ours; those that it says it has not begun are over. */
  private takeGoaway(id: number, payload: Buffer): void {
    if (id !== 0) throw broken('GOAWAY of a stream');
    if (payload.length < 8) throw new ConnectionError(errorCode.frameSizeError, 'GOAWAY of less than 8 bytes');
    const last = payload.readUInt32BE(0) & 0x7fffffff;
    this.connection.peerLeaves();
    if (this.isServer) return;
    for (const stream of this.table.all()) if (stream.id > last) this.abort(stream, errorCode.refusedStream);
  }

  /** Ends a stream for what its peer did, and tells its owner. To make us do that is as cheap as to take the stream back, and counts as that (CVE-2025-8671). */
  private abort(stream: Http2Stream, code: number): void {
    this.table.reset(stream, code);
    stream.owner.aborted(code);
    if (this.isServer) this.guard.reset();
  }
}

const nothing = Buffer.alloc(0);
export const notBegun = new ConnectionError(
  errorCode.protocolError,
  'this is no HTTP/2 connection with prior knowledge',
);
const nobody = { headers() {}, data() {}, drained() {}, aborted() {} };

function broken(what: string): ConnectionError {
  return new ConnectionError(errorCode.protocolError, what);
}

function expectLength(name: string, payload: Buffer, bytes: number): void {
  if (payload.length !== bytes)
    throw new ConnectionError(errorCode.frameSizeError, `${name} of ${payload.length} bytes, expected ${bytes}`);
}
