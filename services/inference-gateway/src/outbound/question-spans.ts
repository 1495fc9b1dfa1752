import { type RpcSpan, startClientSpan, writeTraceparents } from '#libs/rpc/rpc-spans.js';
import type { TraceContext } from '#libs/telemetry/trace-context.js';
import { type Tracing, tracedOnes } from '#libs/telemetry/tracing.js';

/** What a batch carries of its traced questions, and what ends with its answer. */
export interface QuestionSpans {
  /** For the batch's `traceparents`. */
  readonly traceparents: string[];
  /** @param error what the batch failed with */
  end(error?: unknown): void;
}

const untraced: QuestionSpans = { traceparents: [], end: () => undefined };

/**
 * Many requests share a batch, and the stream that carries it lives as long as the process. So each traced request gets a CLIENT span of its own in its own trace; the first one's is the
 * parent of what the peer does for all of them, and the peer links the others. Of more than 32 the rest get none.
 * @param path of the rpc @param address of the peer, host:port; undefined = one of several
 */
export function startQuestionSpans(
  tracing: Tracing,
  path: string,
  address: string | undefined,
  questions: readonly { readonly trace: TraceContext | undefined }[],
): QuestionSpans {
  if (!tracing.enabled) return untraced;
  const traces = tracedOnes(questions.map(({ trace }) => trace));
  if (traces.length === 0) return untraced;
  const spans: RpcSpan[] = [];
  for (const trace of traces) {
    const first = spans[0];
    // Followed from any other trace, the link leads to where the peer's part is.
    const span = startClientSpan(tracing, path, address, trace, first === undefined ? [] : [first.trace]);
    span?.set('millrace.batch.questions', questions.length);
    if (span !== undefined) spans.push(span);
  }
  return {
    traceparents: writeTraceparents(spans.map(({ trace }) => trace)),
    end: (error) => {
      for (const span of spans) span.end(error);
    },
  };
}
