import { NumberMap } from '#libs/collections/number-map.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import type { MessageStream } from '#libs/rpc/message-stream.js';
import { fromServiceError } from '#libs/rpc/status.js';

/** What the stream says of a question. Whoever asks leaves both 0: an object with more fields than the one that it is spread from costs twenty times one with the same. */
interface Sent {
  readonly batchId: number;
  readonly sentAtMs: number;
}

/** Who is told whether the peer is there. */
export interface PeerWatch {
  /** It has taken a stream. */
  found(): void;
  /** It could not be reached, or is gone; told before questions fail. @param wasThere it had taken the stream @returns what they fail with */
  away(error: MillraceError, wasThere: boolean): MillraceError;
}

/** One stream, with what waits for its answers. */
interface Line<Q, A> {
  readonly stream: MessageStream<Q, A>;
  readonly pending: NumberMap<Pending<A>>;
  /** The peer has taken it: its headers have come. */
  isThere: boolean;
}

interface Pending<A> {
  resolve(answer: A): void;
  reject(error: MillraceError): void;
  timer: NodeJS.Timeout;
}

/**
 * Questions and answers over one gRPC stream, matched by batch_id. When the stream breaks, what was asked fails as unavailable, and the next question opens a new one. A peer that is about to stop says
 * so with an answer of batch_id 0: it is asked nothing more over that stream, which ends with its last answer.
 */
export class MultiplexedStream<Q extends Sent, A extends { batchId: number }> {
  private line: Line<Q, A> | undefined;
  /** Those whose peer is about to stop. */
  private readonly leaving = new Set<Line<Q, A>>();
  private lastId = 0;
  private left = false;

  constructor(
    private readonly peer: string,
    private readonly open: () => MessageStream<Q, A>,
    private readonly watch?: PeerWatch,
  ) {}

  get inFlight(): number {
    let count = this.line?.pending.size ?? 0;
    for (const { pending } of this.leaving) count += pending.size;
    return count;
  }

  /** Whether its peer has said that it stops, and has not been found again. @param isBack asked once the old stream is over */
  isLeft(isBack: () => boolean): boolean {
    if (this.left && this.leaving.size === 0 && isBack()) this.left = false;
    return this.left;
  }

  ask(question: Q, timeoutMs: number): Promise<A> {
    const batchId = (this.lastId += 1);
    const line = (this.line ??= this.connect());
    return new Promise<A>((resolve, reject) => {
      const timer = setTimeout(() => {
        line.pending.delete(batchId);
        this.endIfDone(line);
        const late = new MillraceError('deadline-exceeded', `${this.peer}: no answer within ${timeoutMs} ms`);
        reject(line.isThere ? late : (this.watch?.away(late, false) ?? late));
      }, timeoutMs);
      line.pending.set(batchId, { resolve, reject, timer });
      line.stream.write({ ...question, batchId, sentAtMs: Math.ceil(performance.now()) });
    });
  }

  close(): void {
    this.line?.stream.cancel();
    for (const { stream } of this.leaving) stream.cancel();
  }

  private connect(): Line<Q, A> {
    const stream = this.open();
    const line: Line<Q, A> = { stream, pending: new NumberMap(), isThere: false };
    stream.on('metadata', () => {
      line.isThere = true;
      this.watch?.found();
    });
    stream.on('data', (answer: A) => {
      const asked = line.pending.get(answer.batchId);
      if (asked === undefined) {
        if (answer.batchId === 0) this.leave(line);
        return; // it came after its time was up
      }
      line.pending.delete(answer.batchId);
      clearTimeout(asked.timer);
      asked.resolve(answer);
      this.endIfDone(line);
    });
    stream.on('error', (error: unknown) => this.broken(line, fromServiceError(error, this.peer)));
    stream.on('end', () => this.broken(line, new MillraceError('unavailable', `${this.peer}: the stream ended`)));
    return line;
  }

  private leave(line: Line<Q, A>): void {
    if (this.line !== line) return;
    this.line = undefined;
    this.leaving.add(line);
    this.left = true;
    this.endIfDone(line);
  }

  private endIfDone(line: Line<Q, A>): void {
    if (line.pending.size === 0 && this.leaving.has(line)) line.stream.end();
  }

  private broken(line: Line<Q, A>, error: MillraceError): void {
    const isNews = this.line === line || line.pending.size > 0;
    if (this.line === line) this.line = undefined;
    this.leaving.delete(line);
    // A peer that said that it stops, and has answered all, is not lost.
    if (!isNews) return;
    const failed = line.pending.values();
    line.pending.clear();
    const unavailable =
      error.code === 'unavailable' ? error : new MillraceError('unavailable', error.message, { cause: error });
    const failure = this.watch?.away(unavailable, line.isThere) ?? unavailable;
    for (const { reject, timer } of failed) {
      clearTimeout(timer);
      reject(failure);
    }
  }
}
