import type { sendUnaryData } from '@grpc/grpc-js';
import { ServedStream, type StreamingCall } from './served-stream.js';
import { prefixBytes } from './send-message.js';
import { WireCall } from './wire-call.js';

/** As it came. */
interface Waiting {
  readonly message: Buffer;
  readonly isCompressed: boolean;
}

/** What a message that waits holds beside its bytes: many empty ones are not free. */
const besideBytes = 128;

/** @param answer of a call that is answered once */
export type StreamHandler = (stream: ServedStream, answer: sendUnaryData<unknown>) => void;

/** Any number of requests, with one answer or any number. Messages are decoded when the handler reads them; what it does not read is not asked for. */
export class StreamCall extends WireCall implements StreamingCall {
  protected readonly isWorking = false;
  private readonly messages = new ServedStream(this);
  private readonly waiting: Waiting[] = [];
  private isWanted = false;
  private isUnpacking = false;
  private isWhole = false;

  begin(handler: StreamHandler): void {
    handler(this.messages, (error, response) => this.answer(error, response));
  }

  received(message: Buffer, isCompressed: boolean): void {
    if (this.isOver) return;
    if (this.isWanted && !isCompressed && this.waiting.length === 0 && !this.isUnpacking)
      return this.push(this.decode(message, false));
    this.limits.held.take(message.length + besideBytes);
    this.waitingBytes += message.length + prefixBytes;
    this.waiting.push({ message, isCompressed });
    this.deliver();
  }

  pull(): void {
    this.isWanted = true;
    this.deliver();
  }

  drained(): void {
    this.messages.drained();
  }

  protected halfClosed(): void {
    this.isWhole = true;
    this.deliver();
  }

  protected left(): void {
    for (const { message } of this.waiting.splice(0)) this.limits.held.free(message.length + besideBytes);
    this.messages.left();
  }

  /** In their order, as far as they are wanted. */
  private deliver(): void {
    while (this.isWanted && !this.isUnpacking && !this.isOver && this.waiting.length > 0) {
      try {
        this.deliverOne(this.waiting.shift()!);
      } catch (error) {
        this.refuse(error);
      }
    }
    if (this.isWhole && this.waiting.length === 0 && !this.isUnpacking && !this.isOver) {
      this.isWhole = false;
      this.messages.push(null);
    }
  }

  private deliverOne({ message, isCompressed }: Waiting): void {
    this.limits.held.free(message.length + besideBytes);
    this.waitingBytes -= message.length + prefixBytes;
    this.stream.consumed(message.length + prefixBytes);
    const decoded = this.decode(message, isCompressed);
    if (!isCompressed) return this.push(decoded);
    this.isUnpacking = true;
    void (decoded as Promise<unknown>).then(
      (unpacked) => {
        this.isUnpacking = false;
        this.releaseUnpacked();
        if (!this.isOver) this.push(unpacked);
        this.deliver();
      },
      (error: unknown) => this.refuse(error),
    );
  }

  private push(message: unknown): void {
    this.isWanted = this.messages.push(message);
  }
}
