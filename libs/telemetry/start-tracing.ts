import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { resourceFromAttributes } from '@opentelemetry/resources';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  BasicTracerProvider,
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-base';
import {
  ATTR_SERVICE_INSTANCE_ID,
  ATTR_SERVICE_NAME,
  ATTR_SERVICE_NAMESPACE,
} from '@opentelemetry/semantic-conventions/incubating';
import { randomUUID } from 'node:crypto';
import type { Logger } from './logger.js';
import type { Metrics } from './metrics.js';
import { CountedSpanExporter, CountedSpanProcessor, SpanCounts } from './counted-spans.js';
import { Tracing, tracingOff } from './tracing.js';
import type { TracingOptions } from './tracing-options.js';

/** Finished spans that may wait for the collector; what comes above is dropped and counted. */
export const maxQueuedSpans = 8_192;
const maxBatchSpans = 512;
const batchDelayMs = 1_000;
/** With its retries; a batch that has not been taken by then is dropped. */
const exportTimeoutMs = 10_000;
const stopTimeoutMs = 2_000;

/** Spans go to a collector as OTLP/HTTP in JSON, in batches, behind everybody's back: one that is away fails no call and holds none. */
export function startTracing(options: TracingOptions, metrics: Metrics, logger: Logger): Tracing {
  const { url, headers, serviceName } = options;
  if (url === undefined) return tracingOff;
  const counts = new SpanCounts(metrics, logger, url, maxQueuedSpans);
  const exporter = new CountedSpanExporter(
    new OTLPTraceExporter({ url, headers: { ...headers }, timeoutMillis: exportTimeoutMs }),
    counts,
  );
  const processor = new BatchSpanProcessor(exporter, {
    maxQueueSize: maxQueuedSpans,
    maxExportBatchSize: maxBatchSpans,
    scheduledDelayMillis: batchDelayMs,
    exportTimeoutMillis: exportTimeoutMs + 1_000,
  });
  const provider = new BasicTracerProvider({
    sampler: samplerOf(options),
    resource: resourceFromAttributes({
      [ATTR_SERVICE_NAME]: serviceName,
      [ATTR_SERVICE_NAMESPACE]: 'millrace',
      [ATTR_SERVICE_INSTANCE_ID]: randomUUID(),
    }),
    spanProcessors: [new CountedSpanProcessor(processor, counts)],
  });
  const stop = async (): Promise<void> => {
    const flushed = provider.shutdown().catch(() => undefined); // counted where the export failed
    await Promise.race([flushed, new Promise((resolve) => setTimeout(resolve, stopTimeoutMs).unref())]);
  };
  return new Tracing(provider.getTracer('millrace'), stop);
}

function samplerOf({ sampler, ratio }: TracingOptions): Sampler {
  const [root, parentBased] = sampler.startsWith('parentbased_') ? [sampler.slice(12), true] : [sampler, false];
  const made =
    root === 'always_on'
      ? new AlwaysOnSampler()
      : root === 'always_off'
        ? new AlwaysOffSampler()
        : new TraceIdRatioBasedSampler(ratio);
  return parentBased ? new ParentBasedSampler({ root: made }) : made;
}
