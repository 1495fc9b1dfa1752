import type { Socket } from 'node:net';
import { ConnectionError, defaultWindowBytes, errorCode, frameType, maxInt31, settingId } from './frame.js';
import type { HeaderList } from './hpack-decoder.js';
import {
  connectionWindowBytes,
  Http2Receiver,
  maxConcurrentStreams,
  maxHeaderListBytes,
  notBegun,
  type ReceivedBy,
} from './http2-receiver.js';
import { Http2Sender } from './http2-sender.js';
import { type Http2Stream, streamWindowBytes } from './http2-stream.js';
import { encodeSettings, PeerSettings } from './peer-settings.js';
import { StreamTable } from './stream-table.js';

const clientPreface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
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
  /** It is over, and so are its streams. */
  closed(): void;
}

/**
 * One HTTP/2 connection without TLS (RFC 9113), of either side: streams of requests and answers, windows both ways, a bound on all that a peer may ask for. No push, no priorities, no upgrade. What
 * the peer does wrong ends the stream or the connection, as the RFC says, and nothing else.
 */
export class Http2Connection implements ReceivedBy {
  private readonly sender: Http2Sender;
  private readonly receiver: Http2Receiver;
  private readonly table: StreamTable;
  private readonly prefaceTimer: NodeJS.Timeout;
  /** What has come of the client's preface; undefined = all. */
  private preface: Buffer | undefined;
  /** 'soon' = GOAWAY is out, and streams are still taken until the peer has surely heard of it; 'now' = none is. */
  private leavingWhen: 'soon' | 'now' | undefined;
  private hasFailed = false;
  private isOver = false;

  /** @param isServer which side we are: a client opens the streams */
  constructor(
    private readonly socket: Socket,
    private readonly isServer: boolean,
    private readonly owner: ConnectionOwner,
  ) {
    const peer = new PeerSettings();
    this.sender = new Http2Sender(socket, peer, (why) => this.fail(why));
    this.table = new StreamTable(isServer, this.sender, peer, () => {
      if (this.leavingWhen === 'now') this.endIfIdle();
    });
    this.receiver = new Http2Receiver(isServer, this.sender, peer, this.table, this);
    this.preface = isServer ? Buffer.alloc(0) : undefined;
    this.prefaceTimer = setTimeout(() => this.fail(notBegun), prefaceMs).unref();
    socket.on('data', (chunk: Buffer) => this.feed(chunk));
    socket.on('error', () => socket.destroy()); // 'close' follows, which tells everybody
    socket.on('close', () => this.over());
    socket.on('drain', () => {
      if (!this.hasFailed) socket.resume();
    });
    this.greet();
  }

  /** A stream of ours. @param headers of its request, encoded */
  open(headers: Buffer): Http2Stream {
    const stream = this.table.open();
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

  begun(): void {
    clearTimeout(this.prefaceTimer);
  }

  opened(stream: Http2Stream, headers: HeaderList | undefined, end: boolean): void {
    this.owner.opened(stream, headers, end);
  }

  get takesStreams(): boolean {
    return this.leavingWhen !== 'now';
  }

  pingAnswered(payload: Buffer): void {
    if (payload.equals(leavingPing)) this.leaveNow();
  }

  peerLeaves(): void {
    this.leavingWhen ??= 'now';
    this.endIfIdle();
  }

  private greet(): void {
    if (!this.isServer) this.sender.bytes(clientPreface);
    const settings = encodeSettings([
      [settingId.initialWindowSize, streamWindowBytes],
      [settingId.maxHeaderListSize, maxHeaderListBytes],
      this.isServer ? [settingId.maxConcurrentStreams, maxConcurrentStreams] : [settingId.enablePush, 0],
    ]);
    this.sender.control(frameType.settings, 0, settings);
    this.sender.number(frameType.windowUpdate, 0, connectionWindowBytes - defaultWindowBytes);
  }

  private feed(chunk: Buffer): void {
    try {
      const frames = this.preface === undefined ? chunk : this.takePreface(this.preface, chunk);
      if (frames !== undefined) this.receiver.feed(frames);
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

  private leaveNow(): void {
    if (this.leavingWhen !== 'soon' || this.socket.destroyed) return;
    this.leavingWhen = 'now';
    this.sender.goaway(this.table.lastPeerId, errorCode.noError);
    this.endIfIdle();
  }

  private endIfIdle(): void {
    if (this.table.size > 0) return;
    this.sender.flush();
    this.socket.end();
  }

  private fail(why: ConnectionError): void {
    if (this.hasFailed || this.socket.destroyed) return;
    this.hasFailed = true;
    this.receiver.stop();
    this.sender.goaway(this.table.lastPeerId, why.code);
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
    this.receiver.stop();
    this.table.abortAll();
    this.owner.closed();
  }
}
