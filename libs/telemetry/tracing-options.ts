/** OTEL_TRACES_SAMPLER of OpenTelemetry's specification. */
export const samplerNames = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;

export interface TracingOptions {
  readonly serviceName: string;
  /** Where OTLP/HTTP is spoken, with its path; undefined = tracing is off. */
  readonly url: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  readonly sampler: (typeof samplerNames)[number];
  /** 0..1, of the traces that begin here; read by the ratio samplers only. */
  readonly ratio: number;
}
