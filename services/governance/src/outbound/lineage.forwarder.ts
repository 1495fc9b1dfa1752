import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Chunk, Consumer, LogRecord, MessageLog } from '#libs/messaging/message-log.js';
import type { Logger } from '#libs/telemetry/logger.js';
import type { LineageMetrics } from '../lineage.metrics.js';

const timeoutMs = 5_000;
/** What one server like this sends on to another, it sends with this header: it goes no further, so that no event goes round for ever. */
export const forwardedHeader = 'x-millrace-forwarded';
/** Answers that may be others tomorrow: a key that was wrong, a limit, a server in trouble. */
const passing = new Set([401, 403, 404, 408, 425, 429]);

/**
 * Sends every event of the topic on to another OpenLineage server, in order, from where it stood: one that is away is waited for, as long as the topic keeps events.
 * An event may be sent twice. What came from another server like this one is not sent on.
 */
export class LineageForwarder {
  private consumer: Consumer | undefined;
  private readonly stopping = new AbortController();
  private readonly endpoint: string;

  constructor(
    private readonly log: MessageLog,
    url: string,
    private readonly apiKey: string,
    private readonly metrics: LineageMetrics,
    private readonly logger: Logger,
  ) {
    this.endpoint = `${url.replace(/\/$/, '')}/api/v1/lineage`;
  }

  async start(): Promise<void> {
    this.consumer = await this.log.consume({
      topic: 'lineageRecorded',
      groupSuffix: 'lineage-forward',
      delivery: 'at-least-once',
      maxRecords: 1,
      handler: (chunk) => this.handle(chunk),
    });
  }

  async stop(): Promise<void> {
    this.stopping.abort(); // the broker is not left before the event under way has its answer, or this
    await this.consumer?.stop();
  }

  /** A throw means again, a while later. */
  private async handle({ records, signal, alive }: Chunk): Promise<undefined> {
    for (const record of records) {
      if (record.headers['forwarded'] !== undefined) continue;
      const beat = setInterval(() => void alive().catch(() => undefined), 2_000); // a group that is gone ends the chunk by its signal
      await this.send(record, signal).finally(() => clearInterval(beat));
    }
  }

  private async send({ offset, value }: LogRecord, signal: AbortSignal): Promise<void> {
    this.metrics.forwarded.inc({ outcome: 'tried' });
    const response = await fetch(this.endpoint, {
      method: 'POST',
      body: value,
      redirect: 'error',
      signal: AbortSignal.any([signal, this.stopping.signal, AbortSignal.timeout(timeoutMs)]),
      headers: {
        'content-type': 'application/json',
        [forwardedHeader]: 'true',
        ...(this.apiKey === '' ? {} : { authorization: `Bearer ${this.apiKey}` }),
      },
    });
    const said = await response.text().catch((error: unknown) => errorMessage(error));
    if (response.ok) return void this.metrics.forwarded.inc({ outcome: 'taken' });
    if (response.status >= 500 || passing.has(response.status))
      throw new Error(`${this.endpoint} answers ${response.status}: ${said.slice(0, 200)}`);
    this.metrics.forwarded.inc({ outcome: 'refused' });
    this.logger.error('lineage_event_refused', { offset, status: response.status, answer: said.slice(0, 200) });
  }
}
