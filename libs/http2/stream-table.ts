import { NumberMap } from '#libs/collections/number-map.js';
import { ConnectionError, errorCode, frameType } from './frame.js';
import type { Http2Sender } from './http2-sender.js';
import { Http2Stream, type StreamKeeper } from './http2-stream.js';
import type { PeerSettings } from './peer-settings.js';
import { RecentStreams } from './recent-streams.js';

/** The streams of one connection: which are open, which were, and how each ends. */
export class StreamTable implements StreamKeeper {
  /** The last that the peer has opened. */
  lastPeerId = 0;
  private readonly streams = new NumberMap<Http2Stream>();
  private readonly recent = new RecentStreams();
  private nextOwnId = 1;
  private abandoned = 0;

  /** @param onClosed a stream is over, of whichever side */
  constructor(
    private readonly isServer: boolean,
    private readonly sender: Http2Sender,
    private readonly peer: PeerSettings,
    private readonly onClosed: () => void,
  ) {}

  get size(): number {
    return this.streams.size;
  }

  /** Those that are open, and those that are over and still worked on. */
  get atWork(): number {
    return this.streams.size + this.abandoned;
  }

  get(id: number): Http2Stream | undefined {
    return this.streams.get(id);
  }

  all(): Iterable<Http2Stream> {
    return this.streams.values();
  }

  /** A stream of ours. */
  open(): Http2Stream {
    this.nextOwnId += 2;
    return this.create(this.nextOwnId - 2);
  }

  /** A stream of the peer's. @throws ConnectionError where it may not have that number */
  openedByPeer(id: number): Http2Stream {
    if (id <= this.lastPeerId)
      throw this.recent.has(id)
        ? new ConnectionError(errorCode.streamClosed, `HEADERS of stream ${id}, which is closed`)
        : new ConnectionError(errorCode.protocolError, `stream ${id} after ${this.lastPeerId}`);
    this.lastPeerId = id;
    return this.create(id);
  }

  /** Whether it is one of ours that was open. */
  wasOurs(id: number): boolean {
    return id % 2 === 1 && id < this.nextOwnId;
  }

  /** Undefined = it was closed. @throws ConnectionError where it was never open */
  known(frame: string, id: number): Http2Stream | undefined {
    const stream = this.streams.get(id);
    if (stream !== undefined) return stream;
    const isPeers = (id % 2 === 1) === this.isServer;
    if (id === 0 || (isPeers ? id > this.lastPeerId : id >= this.nextOwnId))
      throw new ConnectionError(errorCode.protocolError, `${frame} of stream ${id}, which is not open`);
    return undefined;
  }

  /** Something came for a stream that is closed. */
  late(id: number): void {
    if (!this.recent.wasReset(id)) this.sender.number(frameType.rstStream, id, errorCode.streamClosed);
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

  /** @param isReset by us: the peer may not know yet */
  close(stream: Http2Stream, isReset: boolean): void {
    stream.isClosed = true;
    this.sender.forget(stream);
    this.streams.delete(stream.id);
    this.recent.add(stream.id, isReset);
    this.onClosed();
  }

  abandonedBegins(): void {
    this.abandoned += 1;
  }

  abandonedIsOver(): void {
    this.abandoned -= 1;
  }

  /** The connection is gone. */
  abortAll(): void {
    for (const stream of this.streams.values()) {
      stream.isClosed = true;
      stream.owner.aborted(errorCode.cancel);
    }
    this.streams.clear();
  }

  private create(id: number): Http2Stream {
    const stream = new Http2Stream(id, this.sender, this, this.peer.initialWindowBytes);
    this.streams.set(id, stream);
    return stream;
  }
}
