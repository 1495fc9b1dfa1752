import type { Socket } from 'node:net';
import { FloodGuard } from './flood-guard.js';
import { ConnectionError, defaultWindowBytes, errorCode, frameFlag, frameType, maxInt31, settingId } from './frame.js';
import { FrameReader } from './frame-reader.js';
import { type HeaderBlock, HeaderBlocks, unpadded } from './header-blocks.js';
import type { HeaderList } from './hpack-decoder.js';
import { Http2Sender } from './http2-sender.js';
import { Http2Stream, type StreamKeeper, streamWindowBytes } from './http2-stream.js';
import { contentLengthOf, faultOf } from './message-head.js';
import { PeerSettings } from './peer-settings.js';
import { RecentStreams } from './recent-streams.js';

const clientPreface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** What a peer may send on all streams before we say that we have it, bytes: it is said as it comes, and what is held is bounded by each stream. */
const connectionWindowBytes = 4_194_304;
/** Streams of a peer that are worked on at a time; more are refused, which it may try again. */
const maxConcurrentStreams = 1_000;
/** As RFC 9113, section 10.5.1, counts. */
const maxHeaderListBytes = 16_384;
/** How long a peer has to begin as HTTP/2 does. */
const prefaceMs = 10_000;
/** How long it has to answer the ping that comes with our leaving. */
const leavingMs = 1_000;
/** How long what we send last may take. */
const lastWordsMs = 1_000;
/** A peer that has left so much unread is not read until it has, bytes. Above what DATA fills a socket with: two sides that both wait for the other to read would wait for ever. */
const unreadBytes = 2 * 1_048_576;
const leavingPing = Buffer.from('leaving.');

export interface ConnectionOwner {
  /** The peer has opened a stream, whose owner has to be set before this returns. @param headers undefined = more than 16 KiB of them */
  opened(stream: Http2Stream, headers: HeaderList | undefined, end: boolean): void;
  /** It takes no new streams: what it has not begun may be asked of another. */
  leaving(): void;
  /** It is over. @param why what the peer did wrong; undefined = nothing */
  closed(why: ConnectionError | undefined): void;
}

/**
 * One HTTP/2 connection without TLS (RFC 9113), of either side: streams of requests and answers, windows both ways, a bound on all that a peer may ask for. No push, no priorities, no upgrade. What
 * the peer does wrong ends the stream or the connection, as the RFC says, and nothing else.
 */
export class Http2Connection implements StreamKeeper {
  private readonly peer = new PeerSettings();
  private readonly sender: Http2Sender;
  private readonly reader = new FrameReader((type, flags, id, payload) => this.take(type, flags, id, payload));
  private readonly blocks = new HeaderBlocks(maxHeaderListBytes);
  private readonly guard = new FloodGuard();
  private readonly streams = new Map<number, Http2Stream>();
  private readonly recent = new RecentStreams();
  private readonly prefaceTimer: NodeJS.Timeout;
  /** What has come of the client's preface; undefined = all. */
  private preface: Buffer | undefined;
  private hasSettings = false;
  private receiveWindow = connectionWindowBytes;
  private lastPeerId = 0;
  private nextOwnId = 1;
  private abandoned = 0;
  /** 'soon' = GOAWAY is out, and streams are still taken until the peer has surely heard of it; 'now' = none is. */
  private leavingWhen: 'soon' | 'now' | undefined;
  private why: ConnectionError | undefined;
  private isOver = false;

  /** @param isServer which side we are: a client opens the streams */
  constructor(
    private readonly socket: Socket,
    private readonly isServer: boolean,
    private readonly owner: ConnectionOwner,
  ) {
    this.sender = new Http2Sender(socket, this.peer, (why) => this.fail(why));
    this.preface = isServer ? Buffer.alloc(0) : undefined;
    this.prefaceTimer = setTimeout(() => this.fail(notBegun), prefaceMs).unref();
    socket.on('data', (chunk: Buffer) => this.feed(chunk));
    socket.on('error', () => socket.destroy()); // 'close' follows, which tells everybody
    socket.on('close', () => this.over());
    socket.on('drain', () => {
      if (this.why === undefined) socket.resume();
    });
    this.greet();
  }

  /** Whether it takes new streams of ours. */
  get isOpen(): boolean {
    return this.leavingWhen === undefined && !this.socket.destroyed;
  }

  /** A stream of ours. @param headers of its request, encoded */
  open(headers: Buffer): Http2Stream {
    const stream = this.create(this.nextOwnId);
    this.nextOwnId += 2;
    stream.sendHeaders(headers);
    return stream;
  }

  /** Says that we leave, takes streams until the peer knows, and ends the connection when those that are open are over. */
  leave(): void {
    if (this.leavingWhen !== undefined || this.socket.destroyed) return;
    if (!this.isServer) {
      this.leavingWhen = 'now'; // nobody opens streams to us
      this.sender.goaway(0, errorCode.noError);
      return this.endIfIdle();
    }
    this.leavingWhen = 'soon';
    this.sender.goaway(maxInt31, errorCode.noError);
    this.sender.control(frameType.ping, 0, leavingPing);
    setTimeout(() => this.leaveNow(), leavingMs).unref();
  }

  /** Ends it at once, with all that is open. */
  destroy(): void {
    this.socket.destroy();
  }

  ended(stream: Http2Stream): void {
    if (stream.remoteEnded) this.close(stream, false);
    // An answer before its request has come whole: the rest is of no use (RFC 9113, section 8.1).
    else if (this.isServer) this.reset(stream, errorCode.noError);
  }

  reset(stream: Http2Stream, code: number): void {
    this.sender.number(frameType.rstStream, stream.id, code);
    this.close(stream, true);
  }

  abandonedBegins(): void {
    this.abandoned += 1;
  }

  abandonedIsOver(): void {
    this.abandoned -= 1;
  }

  private greet(): void {
    const settings = [
      [settingId.initialWindowSize, streamWindowBytes],
      [settingId.maxHeaderListSize, maxHeaderListBytes],
      this.isServer ? [settingId.maxConcurrentStreams, maxConcurrentStreams] : [settingId.enablePush, 0],
    ] as const;
    const payload = Buffer.alloc(settings.length * 6);
    for (const [i, [id, value]] of settings.entries()) {
      payload.writeUInt16BE(id, i * 6);
      payload.writeUInt32BE(value, i * 6 + 2);
    }
    if (!this.isServer) this.sender.bytes(clientPreface);
    this.sender.control(frameType.settings, 0, payload);
    this.sender.number(frameType.windowUpdate, 0, connectionWindowBytes - defaultWindowBytes);
  }

  private create(id: number): Http2Stream {
    const stream = new Http2Stream(id, this.sender, this, this.peer.initialWindowBytes);
    this.streams.set(id, stream);
    return stream;
  }

  /** @param isReset by us: the peer may not know yet */
  private close(stream: Http2Stream, isReset: boolean): void {
    stream.isClosed = true;
    this.sender.forget(stream);
    this.streams.delete(stream.id);
    this.recent.add(stream.id, isReset);
    if (this.leavingWhen === 'now') this.endIfIdle();
  }

  private leaveNow(): void {
    if (this.leavingWhen !== 'soon' || this.socket.destroyed) return;
    this.leavingWhen = 'now';
    this.sender.goaway(this.lastPeerId, errorCode.noError);
    this.endIfIdle();
  }

  private endIfIdle(): void {
    if (this.streams.size > 0) return;
    this.sender.flush();
    this.socket.end();
  }

  private fail(why: ConnectionError): void {
    if (this.why !== undefined || this.socket.destroyed) return;
    this.why = why;
    this.reader.stop();
    this.sender.goaway(this.lastPeerId, why.code);
    this.sender.flush();
    // Closed with something unread, the kernel would take back what it has not sent, and the peer would not hear why: so it stays, unread, for as long as that may take.
    this.socket.end();
    this.socket.pause();
    setTimeout(() => this.socket.destroy(), lastWordsMs).unref();
    this.over();
  }

  private over(): void {
    if (this.isOver) return;
    this.isOver = true;
    clearTimeout(this.prefaceTimer);
    this.reader.stop();
    for (const stream of this.streams.values()) {
      stream.isClosed = true;
      stream.owner.aborted(errorCode.cancel);
    }
    this.streams.clear();
    this.owner.closed(this.why);
  }

  // ---- what the peer sends

  private feed(chunk: Buffer): void {
    try {
      const frames = this.preface === undefined ? chunk : this.takePreface(this.preface, chunk);
      if (frames !== undefined) this.reader.feed(frames);
      // Whoever does not read our answers is not read either: they would pile up here.
      if (this.isServer && this.sender.unsentBytes > unreadBytes) this.socket.pause();
    } catch (error) {
      if (!(error instanceof ConnectionError)) throw error;
      this.fail(error);
    }
  }

  /** @returns what follows it, undefined = it has not come whole */
  private takePreface(begun: Buffer, chunk: Buffer): Buffer | undefined {
    const bytes = Buffer.concat([begun, chunk.subarray(0, clientPreface.length - begun.length)]);
    if (!clientPreface.subarray(0, bytes.length).equals(bytes)) throw notBegun;
    if (bytes.length < clientPreface.length) {
      this.preface = bytes;
      return undefined;
    }
    this.preface = undefined;
    return chunk.subarray(clientPreface.length - begun.length);
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
    clearTimeout(this.prefaceTimer);
  }

  private takeData(flags: number, id: number, payload: Buffer): void {
    const stream = this.known('DATA', id);
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
    if (stream === undefined) return this.late(id);
    if (stream.remoteEnded) return this.abort(stream, errorCode.streamClosed);
    stream.receiveWindow -= payload.length;
    if (stream.receiveWindow < 0) return this.abort(stream, errorCode.flowControlError);
    if (bytes.length < payload.length) stream.consumed(payload.length - bytes.length);
    if (stream.missesBytes(bytes.length, end)) return this.abort(stream, errorCode.protocolError);
    if (end) stream.remoteEnded = true;
    stream.owner.data(bytes, end);
    if (end && stream.localEnded && !stream.isClosed) this.close(stream, false);
  }

  private takeBlock(block: HeaderBlock | undefined): void {
    if (block === undefined) return;
    const { streamId: id, end, headers } = block;
    const stream = this.streams.get(id);
    if (block.isSelfDependent) throw broken('a stream that depends on itself');
    if (stream !== undefined) return this.takeFollowing(stream, headers, end);
    if (!this.isServer || id % 2 === 0) {
      if (id < this.nextOwnId && id % 2 === 1) return this.late(id);
      throw broken(`HEADERS of stream ${id}`);
    }
    if (id <= this.lastPeerId)
      throw this.recent.has(id)
        ? new ConnectionError(errorCode.streamClosed, `HEADERS of stream ${id}, which is closed`)
        : broken(`stream ${id} after ${this.lastPeerId}`);
    if (this.leavingWhen === 'now') return; // above what GOAWAY named: the peer knows that it was not begun
    this.lastPeerId = id;
    this.guard.useful();
    this.admit(id, headers, end);
  }

  private admit(id: number, headers: HeaderList | undefined, end: boolean): void {
    const stream = this.create(id);
    stream.remoteEnded = end;
    stream.owner = nobody;
    if (this.streams.size + this.abandoned > maxConcurrentStreams) return this.reset(stream, errorCode.refusedStream);
    if (headers !== undefined) {
      if (faultOf('request', headers) !== undefined) return this.reset(stream, errorCode.protocolError);
      stream.expectedBytes = contentLengthOf(headers);
      if (stream.missesBytes(0, end)) return this.reset(stream, errorCode.protocolError);
    }
    this.owner.opened(stream, headers, end);
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
    if (end && stream.localEnded && !stream.isClosed) this.close(stream, false);
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
    const stream = this.known('RST_STREAM', id);
    if (this.isServer) this.guard.reset();
    if (stream === undefined) return;
    this.close(stream, false);
    stream.owner.aborted(payload.readUInt32BE(0));
  }

  private takeWindowUpdate(id: number, payload: Buffer): void {
    expectLength('WINDOW_UPDATE', payload, 4);
    const bytes = payload.readUInt32BE(0) & 0x7fffffff;
    const stream = id === 0 ? undefined : this.known('WINDOW_UPDATE', id);
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
    this.guard.idleFrame(this.streams.size / 10); // each is looked at, and may send a byte
    for (const stream of this.streams.values())
      if (!this.sender.widen(stream, wider)) throw new ConnectionError(errorCode.flowControlError, 'SETTINGS');
  }

  private takePing(flags: number, id: number, payload: Buffer): void {
    if (id !== 0) throw broken('PING of a stream');
    expectLength('PING', payload, 8);
    if ((flags & frameFlag.ack) === 0) this.sender.control(frameType.ping, frameFlag.ack, payload);
    else if (payload.equals(leavingPing)) this.leaveNow();
  }

  /** The peer wants no more streams of ours; those that it says it has not begun are over. */
  private takeGoaway(id: number, payload: Buffer): void {
    if (id !== 0) throw broken('GOAWAY of a stream');
    if (payload.length < 8) throw new ConnectionError(errorCode.frameSizeError, 'GOAWAY of less than 8 bytes');
    const last = payload.readUInt32BE(0) & 0x7fffffff;
    this.leavingWhen ??= 'now';
    this.owner.leaving();
    if (!this.isServer)
      for (const stream of this.streams.values()) if (stream.id > last) this.abort(stream, errorCode.refusedStream);
    this.endIfIdle();
  }

  /** Undefined = it was closed. @throws ConnectionError where it was never open */
  private known(frame: string, id: number): Http2Stream | undefined {
    const stream = this.streams.get(id);
    if (stream !== undefined) return stream;
    const isPeers = (id % 2 === 1) === this.isServer;
    if (id === 0 || (isPeers ? id > this.lastPeerId : id >= this.nextOwnId))
      throw broken(`${frame} of stream ${id}, which is not open`);
    return undefined;
  }

  /** Something came for a stream that is closed. */
  private late(id: number): void {
    if (!this.recent.wasReset(id)) this.sender.number(frameType.rstStream, id, errorCode.streamClosed);
  }

  /** Ends a stream for what its peer did, and tells its owner. To make us do that is as cheap as to take the stream back, and counts as that (CVE-2025-8671). */
  private abort(stream: Http2Stream, code: number): void {
    this.reset(stream, code);
    stream.owner.aborted(code);
    if (this.isServer) this.guard.reset();
  }
}

const nothing = Buffer.alloc(0);
const notBegun = new ConnectionError(errorCode.protocolError, 'this is no HTTP/2 connection with prior knowledge');
const nobody = { headers() {}, data() {}, drained() {}, aborted() {} };

function broken(what: string): ConnectionError {
  return new ConnectionError(errorCode.protocolError, what);
}

function expectLength(name: string, payload: Buffer, bytes: number): void {
  if (payload.length !== bytes)
    throw new ConnectionError(errorCode.frameSizeError, `${name} of ${payload.length} bytes, expected ${bytes}`);
}
