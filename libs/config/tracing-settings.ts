import { z } from 'zod';
import { errorMessage } from '#libs/errors/millrace-error.js';
import { samplerNames, type TracingOptions } from '#libs/telemetry/tracing-options.js';

/** OpenTelemetry's specification: an empty variable is an unset one. */
const unset = <T extends z.ZodType>(schema: T) => z.preprocess((value) => (value === '' ? undefined : value), schema);

const header = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([\x20-\x7e]*)$/;

/** @throws Error that says what is wrong, and no value */
function parseHeaders(text: string): Record<string, string> {
  if (text === '') return {};
  const entries = text.split(',').map((entry) => {
    const [, name, value] = header.exec(entry.trim()) ?? [];
    if (name === undefined || value === undefined) throw new Error('must be name=value,name=value');
    try {
      return [name, decodeURIComponent(value)] as const;
    } catch (error) {
      throw new Error(`the value of ${name} must be percent-encoded UTF-8`, { cause: error });
    }
  });
  return Object.fromEntries(entries);
}

/** Kept as text, for settings are printed and this one is a secret. */
const headers = () =>
  z.string().superRefine((text, context) => {
    try {
      parseHeaders(text);
    } catch (error) {
      context.addIssue({ code: 'custom', message: errorMessage(error) });
    }
  });

const httpUrl = () => z.url({ protocol: /^https?$/, error: 'must be a URL, e.g. http://127.0.0.1:4318' });

/** Of every service: OpenTelemetry's own names and meanings. Without an endpoint nothing is traced. */
export const tracingSettings = {
  /** Where OTLP/HTTP is spoken; /v1/traces is appended. */
  OTEL_EXPORTER_OTLP_ENDPOINT: unset(httpUrl().optional()),
  /** The same for traces alone, with its whole path. */
  OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: unset(httpUrl().optional()),
  /** name=value,name=value: e.g. the token of a hosted collector. */
  OTEL_EXPORTER_OTLP_HEADERS: unset(headers().optional()),
  OTEL_TRACES_SAMPLER: unset(z.enum(samplerNames).default('parentbased_always_on')),
  /** Share of the traces that begin here, for the traceidratio samplers. */
  OTEL_TRACES_SAMPLER_ARG: unset(z.coerce.number().min(0).max(1).default(1)),
  /** Left out: the service's name. */
  OTEL_SERVICE_NAME: unset(z.string().max(200).optional()),
};

export type TracingSettings = z.infer<z.ZodObject<typeof tracingSettings>>;

export function tracingOptions(service: string, settings: TracingSettings): TracingOptions {
  const { OTEL_EXPORTER_OTLP_ENDPOINT: base, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: whole } = settings;
  return {
    serviceName: settings.OTEL_SERVICE_NAME ?? service,
    url: whole ?? (base === undefined ? undefined : `${base.replace(/\/$/, '')}/v1/traces`),
    headers: parseHeaders(settings.OTEL_EXPORTER_OTLP_HEADERS ?? ''),
    sampler: settings.OTEL_TRACES_SAMPLER,
    ratio: settings.OTEL_TRACES_SAMPLER_ARG,
  };
}
