import { type Metadata, type MethodDefinition, type ServiceError, status } from '@grpc/grpc-js';
import type { HeaderList } from '#libs/http2/hpack-decoder.js';
import type { Http2Stream, StreamOwner } from '#libs/http2/http2-stream.js';
import { valueOf } from '#libs/http2/message-head.js';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { unreadable } from '../unreadable-requests.js';
import { answerHeaders, headersWith, okTrailers, statusBlock } from './answer-blocks.js';
import { type CallStatus, ok, statusOf } from './call-status.js';
import { decompress } from './decompress.js';
import { type HeldBytes, MessageReader, MessageRefused, type MessageSink } from './message-reader.js';
import { metadataOf } from './metadata-headers.js';
import type { RequestHead } from './request-head.js';
import { sendMessage } from './send-message.js';
import type { UnpackingRoom } from './unpacking-room.js';

export type Method = MethodDefinition<unknown, unknown>;

/** What all calls of a server are bounded by. */
export interface CallLimits {
  /** Of one message, as it comes and unpacked. */
  readonly maxMessageBytes: number;
  readonly held: HeldBytes;
  readonly unpacking: UnpackingRoom;
}

/** What a timer can wait. */
const maxTimerMs = 2 ** 31 - 1;

/**
 * One call at a server: its stream as messages and a status. Ends once, by whoever is first: the handler, its deadline, or the caller who goes away. What kind of call it is says what becomes of its
 * messages.
 */
export abstract class WireCall implements StreamOwner, MessageSink {
  /** Answered, or given up: nothing more is sent, and what comes is not read. */
  protected isOver = false;
  /** Of messages that wait for the handler, as they came, with their prefixes. */
  protected waitingBytes = 0;
  private readonly reader: MessageReader;
  /** What its unpacked message takes of the room for such. */
  private unpackedBytes = 0;
  private timer: NodeJS.Timeout | undefined;
  private hasHeaders = false;
  private ownMetadata: Metadata | undefined;

  constructor(
    protected readonly stream: Http2Stream,
    private readonly requestHeaders: HeaderList,
    private readonly head: RequestHead,
    protected readonly method: Method,
    protected readonly limits: CallLimits,
  ) {
    stream.owner = this;
    this.reader = new MessageReader(this, limits.maxMessageBytes, limits.held);
    this.keepDeadline();
  }

  get metadata(): Metadata {
    return (this.ownMetadata ??= metadataOf(this.requestHeaders));
  }

  /** The first of that name, without making metadata of all. */
  header(name: string): string | undefined {
    return valueOf(this.requestHeaders, name);
  }

  getPath(): string {
    return this.head.path;
  }

  /** Epoch ms; Infinity = none. */
  getDeadline(): number {
    return this.head.deadlineMs;
  }

  // ---- what the caller sends

  abstract received(message: Buffer, isCompressed: boolean): void;
  /** Nothing follows. */
  protected abstract halfClosed(): void;
  /** It is over; told a moment after. */
  protected abstract left(): void;
  /** Whether what was asked for is still worked on, though nobody waits any more. */
  protected abstract get isWorking(): boolean;
  abstract drained(): void;

  data(bytes: Buffer, end: boolean): void {
    if (this.isOver) return;
    const waitedBefore = this.waitingBytes;
    try {
      this.reader.feed(bytes);
    } catch (error) {
      return this.refuse(error);
    }
    // A message that was long on its way is given back part by part, and taken again when it waits as a whole.
    this.stream.consumed(bytes.length - (this.waitingBytes - waitedBefore));
    if (end && !this.isOver) this.lastCame();
  }

  /** Trailers of a request: gRPC has none, and what they end is ended. */
  headers(_headers: HeaderList, end: boolean): void {
    if (end && !this.isOver) this.lastCame();
  }

  aborted(): void {
    if (this.isOver) return;
    this.finish();
  }

  private lastCame(): void {
    if (this.reader.isWithin)
      this.sendStatus({ code: status.INVALID_ARGUMENT, details: 'the request ends within a message' });
    else this.halfClosed();
  }

  // ---- what the caller gets

  /** Once, and before the first message. */
  sendMetadata(metadata?: Metadata): void {
    if (this.hasHeaders || this.isOver) return;
    this.hasHeaders = true;
    this.stream.sendHeaders(metadata === undefined ? answerHeaders : headersWith(metadata));
  }

  /** @returns whether it went out, as far as the caller's windows are concerned: false = wait until it is drained, or the call is over */
  sendMessage(message: unknown): boolean {
    if (this.isOver) return true;
    let bytes: Buffer;
    try {
      bytes = this.method.responseSerialize(message);
    } catch (error) {
      this.sendStatus({ code: status.INTERNAL, details: `Error serializing response: ${errorMessage(error)}` });
      return true;
    }
    this.sendMetadata();
    sendMessage(this.stream, bytes);
    return this.stream.queuedBytes === 0;
  }

  /** Of a call that is answered once. */
  protected answer(error: Partial<ServiceError> | null, response: unknown): void {
    if (error) return this.sendStatus(statusOf(error));
    this.sendMessage(response);
    this.sendStatus(ok);
  }

  sendStatus({ code, details, metadata }: CallStatus): void {
    if (this.isOver) return;
    if (!this.hasHeaders) this.stream.sendHeaders(statusBlock(code, details, metadata, true), true);
    else if (code === status.OK && !metadata) this.stream.sendTrailers(okTrailers);
    else this.stream.sendTrailers(statusBlock(code, details, metadata, false));
    this.finish();
  }

  /** What was asked for is answered, or nobody works on it any more. */
  protected workIsOver(): void {
    this.stream.workIsOver();
  }

  /** @returns the message, or, of a compressed one, its promise @throws MessageRefused */
  protected decode(message: Buffer, isCompressed: boolean): unknown {
    if (!isCompressed) return this.deserialized(message);
    return this.unpacked(message).then((bytes) => this.deserialized(bytes));
  }

  /** What was unpacked is out of the way, or small beside what became of it. */
  protected releaseUnpacked(): void {
    const bytes = this.unpackedBytes;
    this.unpackedBytes = 0;
    if (bytes > 0) this.limits.unpacking.give(bytes);
  }

  /** It holds room for the largest message while nobody knows how large it is, then as much as it has. */
  private async unpacked(message: Buffer): Promise<Buffer> {
    const { maxMessageBytes, held, unpacking } = this.limits;
    held.take(message.length);
    let kept = 0;
    try {
      const reserved = await unpacking.take(maxMessageBytes);
      try {
        if (this.isOver) throw new MessageRefused(status.CANCELLED, 'nobody waits for it');
        const bytes = await decompress(message, this.head.encoding, maxMessageBytes);
        if (!this.isOver) this.unpackedBytes += kept = Math.min(bytes.length, reserved);
        return bytes;
      } finally {
        unpacking.give(reserved - kept);
      }
    } finally {
      held.free(message.length);
    }
  }

  /** Ends the call by what is wrong with its request. */
  protected refuse(error: unknown): void {
    if (!(error instanceof MessageRefused)) throw error;
    this.sendStatus(error);
  }

  private deserialized(bytes: Buffer): unknown {
    try {
      return this.method.requestDeserialize(bytes);
    } catch {
      // Of what the bytes say nothing can be repeated.
      throw new MessageRefused(status.INVALID_ARGUMENT, unreadable.message);
    }
  }

  private keepDeadline(): void {
    const { deadlineMs } = this.head;
    if (deadlineMs === Number.POSITIVE_INFINITY) return;
    const leftMs = Math.max(0, deadlineMs - Date.now());
    if (leftMs > maxTimerMs) return;
    this.timer = setTimeout(() => this.sendStatus(deadlineExceeded), Math.ceil(leftMs));
  }

  private finish(): void {
    this.isOver = true;
    clearTimeout(this.timer);
    this.reader.drop();
    if (this.isWorking) this.stream.isStillWorkedOn();
    else this.releaseUnpacked();
    this.left();
  }
}

const deadlineExceeded = { code: status.DEADLINE_EXCEEDED, details: 'Deadline exceeded' };
