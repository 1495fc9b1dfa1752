import { Duplex, type DuplexOptions } from 'node:stream';
import { Metadata, type ServiceError } from '@grpc/grpc-js';
import { type CallStatus, ok, statusOf } from './call-status.js';

/** What a stream of messages is of. */
export interface StreamingCall {
  readonly metadata: Metadata;
  header(name: string): string | undefined;
  getPath(): string;
  getDeadline(): number;
  sendMetadata(metadata?: Metadata): void;
  sendMessage(message: unknown): boolean;
  sendStatus(status: CallStatus): void;
  /** The reader wants a message. Left out = the call has one request, and no stream of them. */
  pull?(): void;
}

/**
 * A call's messages as a Node stream of objects, with the events that grpc-js has: `error` emitted on it ends the call with that status, `end()` with OK, `cancelled` comes when the call is over, by
 * whoever ended it.
 */
export class ServedStream extends Duplex {
  cancelled = false;
  private outcome: CallStatus = ok;
  /** Of the message that waits for the caller to read. */
  private goOn: (() => void) | undefined;

  /** @param request undefined = they come as a stream */
  constructor(
    private readonly call: StreamingCall,
    readonly request?: unknown,
  ) {
    super({ objectMode: true, readable: call.pull !== undefined } as DuplexOptions);
    this.on('error', (error: Partial<ServiceError>) => {
      this.outcome = statusOf(error);
      this.end();
    });
  }

  get metadata(): Metadata {
    return this.call.metadata;
  }

  header(name: string): string | undefined {
    return this.call.header(name);
  }

  getPath(): string {
    return this.call.getPath();
  }

  getDeadline(): number {
    return this.call.getDeadline();
  }

  sendMetadata(metadata: Metadata): void {
    this.call.sendMetadata(metadata);
  }

  /** @param trailers sent with OK */
  override end(trailers?: unknown): this {
    if (trailers instanceof Metadata) this.outcome = { ...this.outcome, metadata: trailers };
    return super.end();
  }

  /** The caller has read what was sent. */
  drained(): void {
    const { goOn } = this;
    this.goOn = undefined;
    goOn?.();
  }

  /** The call is over: told a moment later, when whoever ended it has returned. */
  left(): void {
    process.nextTick(() => {
      this.cancelled = true;
      this.emit('cancelled', 'cancelled');
      if (this.call.pull !== undefined) this.destroy();
    });
  }

  override _read(): void {
    this.call.pull?.();
  }

  override _write(message: unknown, _encoding: string, done: () => void): void {
    if (this.call.sendMessage(message)) done();
    else this.goOn = done;
  }

  override _final(done: () => void): void {
    done();
    this.call.sendStatus(this.outcome);
  }
}
