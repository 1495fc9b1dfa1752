import { type sendUnaryData, type ServiceError, status } from '@grpc/grpc-js';
import { ServedStream } from './served-stream.js';
import { WireCall } from './wire-call.js';

/** A call that brings one request, and is begun when that has come whole. */
abstract class OneRequestCall extends WireCall {
  request: unknown;
  private hasRequest = false;
  private isUnpacking = false;
  private isWhole = false;

  protected abstract begin(): void;

  received(message: Buffer, isCompressed: boolean): void {
    if (this.isOver) return;
    if (this.hasRequest) return this.sendStatus(this.unimplemented('a second request message'));
    this.hasRequest = true;
    const decoded = this.decode(message, isCompressed);
    if (!(decoded instanceof Promise)) {
      this.request = decoded;
      return;
    }
    this.isUnpacking = true;
    void decoded.then(
      (request: unknown) => {
        this.request = request;
        this.isUnpacking = false;
        if (this.isWhole && !this.isOver) this.begin();
      },
      (error: unknown) => this.refuse(error),
    );
  }

  protected halfClosed(): void {
    if (!this.hasRequest) return this.sendStatus(this.unimplemented('no request message'));
    this.isWhole = true;
    if (!this.isUnpacking) this.begin();
  }

  private unimplemented(what: string) {
    return { code: status.UNIMPLEMENTED, details: `Received ${what} for method ${this.getPath()}` };
  }
}

export type UnaryHandler = (call: UnaryCall, answer: sendUnaryData<unknown>) => void;

/** One request, one answer, and as little as possible between them: no Node stream, no events unless somebody listens. */
export class UnaryCall extends OneRequestCall {
  cancelled = false;
  handler!: UnaryHandler;
  protected isWorking = false;
  private listeners: (() => void)[] | undefined;

  /** `cancelled`: nobody waits for the answer any more, also because it was given. Of other events there are none. */
  once(event: string, listener: () => void): this {
    if (event === 'cancelled') (this.listeners ??= []).push(listener);
    return this;
  }

  drained(): void {}

  protected begin(): void {
    this.isWorking = true;
    this.handler(this, (error, response) => this.answer(error, response));
  }

  protected left(): void {
    this.cancelled = true;
    const { listeners } = this;
    if (listeners !== undefined) process.nextTick(() => listeners.forEach((listener) => listener()));
  }

  protected override answer(error: Partial<ServiceError> | null, response: unknown): void {
    this.isWorking = false;
    this.releaseUnpacked();
    if (this.isOver) this.workIsOver();
    else super.answer(error, response);
  }
}

export type ServerStreamHandler = (call: ServedStream) => void;

/** One request, any number of answers. */
export class ServerStreamCall extends OneRequestCall {
  handler!: ServerStreamHandler;
  protected readonly isWorking = false;
  private answers: ServedStream | undefined;

  drained(): void {
    this.answers?.drained();
  }

  protected begin(): void {
    this.releaseUnpacked(); // it may go on for long
    this.answers = new ServedStream(this, this.request);
    this.handler(this.answers);
  }

  protected left(): void {
    this.answers?.left();
  }
}
