import type { TraceContext } from './trace-context.js';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

const order: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3 };

/** One JSON line a record; `event` is a snake_case constant, everything else are fields. */
export class Logger {
  constructor(
    private readonly service: string,
    private readonly level: LogLevel = 'info',
    private readonly write: (line: string) => void = (line) => void process.stdout.write(line),
    private readonly trace?: TraceContext,
    /** Which of the processes that share the service's addresses writes; undefined = there is one. */
    private readonly processNumber?: number,
  ) {}

  /** The log of one span: its lines carry trace_id and span_id. Outside of any span it is this log itself. */
  within(trace: TraceContext | undefined): Logger {
    return trace === undefined ? this : new Logger(this.service, this.level, this.write, trace, this.processNumber);
  }

  debug(event: string, fields: Record<string, unknown> = {}): void {
    this.log('debug', event, fields);
  }

  info(event: string, fields: Record<string, unknown> = {}): void {
    this.log('info', event, fields);
  }

  warn(event: string, fields: Record<string, unknown> = {}): void {
    this.log('warn', event, fields);
  }

  error(event: string, fields: Record<string, unknown> = {}): void {
    this.log('error', event, fields);
  }

  private log(level: LogLevel, event: string, fields: Record<string, unknown>): void {
    if (order[level] < order[this.level]) return;
    const line = {
      time: new Date().toISOString(),
      level,
      service: this.service,
      process: this.processNumber,
      event,
      ...this.traceFields(),
      ...fields,
    };
    this.write(`${JSON.stringify(line, serialise)}\n`);
  }

  private traceFields(): Record<string, string> {
    return this.trace === undefined ? {} : { trace_id: this.trace.traceId, span_id: this.trace.spanId };
  }
}

function serialise(_key: string, value: unknown): unknown {
  if (value instanceof Error) return { message: value.message, stack: value.stack, cause: value.cause };
  return typeof value === 'bigint' ? Number(value) : value;
}
