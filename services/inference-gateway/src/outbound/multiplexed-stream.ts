import type { ClientDuplexStream } from '@grpc/grpc-js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { fromServiceError } from '#libs/rpc/status.js';

interface Pending<A> {
  resolve(answer: A): void;
  reject(error: MillraceError): void;
  timer: NodeJS.Timeout;
}

interface Sent {
  batchId: number;
  sentAtMs: number;
}

/** Who is told whether the peer is there. */
export interface PeerWatch {
  /** It has taken a stream. */
  found(): void;
  /** It could not be reached, or is gone; told before questions fail. @param wasThere it had taken the stream @returns what they fail with */
  away(error: MillraceError, wasThere: boolean): MillraceError;
}

/** Questions and answers over one gRPC stream, matched by batch_id. When the stream breaks, what was asked fails as unavailable, and the next question opens a new one. */
export class MultiplexedStream<Q extends Sent, A extends { batchId: number }> {
  private stream: ClientDuplexStream<Q, A> | undefined;
  private readonly pending = new Map<number, Pending<A>>();
  private lastId = 0;
  /** The peer has taken the stream: its headers have come. */
  private isThere = false;

  constructor(
    private readonly peer: string,
    private readonly open: () => ClientDuplexStream<Q, A>,
    private readonly watch?: PeerWatch,
  ) {}

  get inFlight(): number {
    return this.pending.size;
  }

  ask(question: Omit<Q, keyof Sent>, timeoutMs: number): Promise<A> {
    const batchId = (this.lastId += 1);
    const stream = (this.stream ??= this.connect());
    return new Promise<A>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.pending.delete(batchId);
        const late = new MillraceError('deadline-exceeded', `${this.peer}: no answer within ${timeoutMs} ms`);
        reject(this.isThere ? late : (this.watch?.away(late, false) ?? late));
      }, timeoutMs);
      this.pending.set(batchId, { resolve, reject, timer });
      stream.write({ ...question, batchId, sentAtMs: Math.ceil(performance.now()) } as Q);
    });
  }

  close(): void {
    this.stream?.cancel();
  }

  private connect(): ClientDuplexStream<Q, A> {
    const stream = this.open();
    stream.on('metadata', () => {
      if (stream !== this.stream) return;
      this.isThere = true;
      this.watch?.found();
    });
    stream.on('data', (answer: A) => {
      const asked = this.pending.get(answer.batchId);
      if (asked === undefined) return; // it came after its time was up
      this.pending.delete(answer.batchId);
      clearTimeout(asked.timer);
      asked.resolve(answer);
    });
    stream.on('error', (error: unknown) => this.broken(stream, fromServiceError(error, this.peer)));
    stream.on('end', () => this.broken(stream, new MillraceError('unavailable', `${this.peer}: the stream ended`)));
    return stream;
  }

  private broken(stream: ClientDuplexStream<Q, A>, error: MillraceError): void {
    if (this.stream !== stream) return;
    this.stream = undefined;
    const failed = [...this.pending.values()];
    this.pending.clear();
    const unavailable =
      error.code === 'unavailable' ? error : new MillraceError('unavailable', error.message, { cause: error });
    const failure = this.watch?.away(unavailable, this.isThere) ?? unavailable;
    this.isThere = false;
    for (const { reject, timer } of failed) {
      clearTimeout(timer);
      reject(failure);
    }
  }
}
