import { EventEmitter } from 'node:events';
import { connect } from 'node:net';
import { type Metadata, type MethodDefinition, type ServiceError, status } from '@grpc/grpc-js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { errorCode } from '#libs/http2/frame.js';
import type { HeaderList } from '#libs/http2/hpack-decoder.js';
import { encodeHeaders } from '#libs/http2/hpack-encoder.js';
import { Http2Connection } from '#libs/http2/http2-connection.js';
import type { Http2Stream, StreamOwner } from '#libs/http2/http2-stream.js';
import { valueOf } from '#libs/http2/message-head.js';
import type { MessageStream } from '../message-stream.js';
import { splitAddress } from '../split-address.js';
import { HeldBytes, MessageReader, type MessageSink } from './message-reader.js';
import { pairsOf } from './metadata-headers.js';
import { sendMessage } from './send-message.js';

/** The peer is one of ours, and its answers are bounded by what we ask. */
const maxMessageBytes = 2 ** 30;

/**
 * One call with messages both ways, over a connection of its own that ends with it. Nothing is tried again: where the peer is not there, or goes, the stream fails as UNAVAILABLE. Without a deadline:
 * whoever asks over it says how long an answer may take.
 */
export class WireClientStream<Q, A> extends EventEmitter implements MessageStream<Q, A>, StreamOwner, MessageSink {
  private readonly connection: Http2Connection;
  private readonly stream: Http2Stream;
  private readonly reader = new MessageReader(this, maxMessageBytes, new HeldBytes(Number.POSITIVE_INFINITY));
  private isOver = false;
  private lost: string;

  /** @param address host:port @param metadata sent with the call */
  constructor(
    address: string,
    private readonly method: MethodDefinition<Q, A>,
    metadata: Metadata,
  ) {
    super();
    this.lost = `no connection to ${address}`;
    const socket = connect({ ...splitAddress(address), noDelay: true });
    socket.on('error', (error) => (this.lost += `: ${errorMessage(error)}`));
    const owner = { opened() {}, closed: () => this.fail(status.UNAVAILABLE, this.lost) };
    this.connection = new Http2Connection(socket, false, owner);
    const own = [':method', 'POST', ':scheme', 'http', ':path', method.path, ':authority', address];
    const headers = [...own, 'te', 'trailers', 'content-type', 'application/grpc', ...pairsOf(metadata)];
    this.stream = this.connection.open(encodeHeaders(headers));
    this.stream.owner = this;
  }

  write(message: Q): void {
    sendMessage(this.stream, this.method.requestSerialize(message));
  }

  end(): void {
    this.stream.end();
  }

  cancel(): void {
    this.fail(status.CANCELLED, 'Cancelled on client');
  }

  headers(headers: HeaderList, end: boolean): void {
    if (this.isOver) return;
    const [http, code] = [valueOf(headers, ':status'), valueOf(headers, 'grpc-status')];
    if (http !== undefined && http !== '200') return this.fail(status.UNAVAILABLE, `HTTP status ${http}`);
    this.lost = 'the connection is lost';
    if (!end) this.emit('metadata');
    else if (code === '0') this.finish(() => this.emit('end'));
    else this.fail(Number(code ?? status.UNKNOWN), decoded(valueOf(headers, 'grpc-message') ?? ''));
  }

  data(bytes: Buffer, end: boolean): void {
    if (this.isOver) return;
    this.stream.consumed(bytes.length);
    try {
      this.reader.feed(bytes);
    } catch (error) {
      return this.fail(status.INTERNAL, errorMessage(error));
    }
    if (end) this.fail(status.INTERNAL, 'the answer ends without a status');
  }

  received(message: Buffer): void {
    if (!this.isOver) this.emit('data', this.method.responseDeserialize(message));
  }

  drained(): void {}

  aborted(code: number): void {
    this.fail(
      code === errorCode.cancel ? status.UNAVAILABLE : status.INTERNAL,
      `${this.lost}; the call was reset (${code})`,
    );
  }

  private fail(code: status, details: string): void {
    const error: Partial<ServiceError> = Object.assign(new Error(details), { code, details });
    this.finish(() => this.emit('error', error));
  }

  private finish(tell: () => void): void {
    if (this.isOver) return;
    this.isOver = true;
    this.reader.drop();
    this.stream.reset(errorCode.cancel); // unless both sides have ended it
    this.connection.leave();
    process.nextTick(tell);
  }
}

/** Percent-encoded; what is not is left as it is. */
function decoded(message: string): string {
  return message.replaceAll(/(?:%[0-9a-f]{2})+/gi, (escaped) =>
    Buffer.from(escaped.replaceAll('%', ''), 'hex').toString(),
  );
}
