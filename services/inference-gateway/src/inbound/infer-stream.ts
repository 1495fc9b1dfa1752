import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { ModelInferResponse, ModelStreamInferResponse } from '#libs/contracts/generated/inference/v2/inference.js';
import { MillraceError } from '#libs/errors/millrace-error.js';
import { boolParameter } from './infer-message.js';
import type { ReadInferRequest } from './read-infer-message.js';

type Stream = ServerDuplexStream<ReadInferRequest, ModelStreamInferResponse>;

/** Requests of one stream that are worked on at a time; what comes on top is not read. */
const maxInFlight = 64;

/**
 * ModelStreamInfer in Triton's dialect. Requests are worked on together and answered in their order; an error is an answer like any other and ends nothing. Each request
 * has one answer, so each is marked `triton_final_response`, and no empty one follows where `triton_enable_empty_final_response` asks for it.
 */
export class InferStream {
  /** In the order of the requests. */
  private readonly answers: Promise<ModelStreamInferResponse>[] = [];
  private writing = false;
  private ended = false;
  private gone = false;
  private readonly emptied: (() => void)[] = [];

  /** @param infer rejects with what is wrong with a request @param wordsOf what the caller is told of that */
  constructor(
    private readonly stream: Stream,
    private readonly infer: (request: ReadInferRequest) => Promise<ModelInferResponse>,
    private readonly wordsOf: (error: unknown) => string,
  ) {
    stream.on('data', (request: ReadInferRequest) => this.take(request));
    stream.on('end', () => {
      this.ended = true;
      void this.write();
    });
    for (const event of ['cancelled', 'close', 'error']) stream.on(event, () => this.leave());
  }

  /** Takes no more; resolves when all that was taken is answered, or the caller is gone. */
  drain(): Promise<void> {
    this.stream.pause();
    this.stream.removeAllListeners('data');
    return this.answers.length === 0 || this.gone
      ? Promise.resolve()
      : new Promise((resolve) => this.emptied.push(resolve));
  }

  private take(request: ReadInferRequest): void {
    this.answers.push(this.answer(request));
    if (this.answers.length >= maxInFlight) this.stream.pause();
    void this.write();
  }

  private async answer(request: ReadInferRequest): Promise<ModelStreamInferResponse> {
    const { id, modelName, modelVersion } = request;
    const parameters = { triton_final_response: boolParameter(true) };
    try {
      const response = await this.infer(request);
      Object.assign(response.parameters, parameters);
      return { errorMessage: '', inferResponse: response };
    } catch (error) {
      const about = error instanceof MillraceError && id.length + modelName.length + modelVersion.length < 4_096;
      const named = about ? { id, modelName, modelVersion } : { id: '', modelName: '', modelVersion: '' };
      return {
        errorMessage: this.wordsOf(error),
        inferResponse: { ...named, parameters, outputs: [], rawOutputContents: [] },
      };
    }
  }

  /** One at a time: an answer is written when those before it are, and when the caller reads. */
  private async write(): Promise<void> {
    if (this.writing) return;
    this.writing = true;
    while (this.answers.length > 0 && !this.gone) {
      const answer = await this.answers[0]!;
      if (!this.gone && !this.stream.write(answer)) await this.drained();
      this.answers.shift();
      if (!this.ended && this.emptied.length === 0) this.stream.resume();
    }
    this.writing = false;
    for (const resolve of this.emptied.splice(0)) resolve();
    if (this.ended && !this.gone) this.stream.end();
  }

  private drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        for (const event of events) this.stream.off(event, done);
        resolve();
      };
      const events = ['drain', 'cancelled', 'close', 'error'];
      for (const event of events) this.stream.on(event, done);
    });
  }

  /** What is still worked on is kept in the log, and nobody hears of it. */
  private leave(): void {
    this.gone = true;
    this.answers.length = 0;
    for (const resolve of this.emptied.splice(0)) resolve();
  }
}
