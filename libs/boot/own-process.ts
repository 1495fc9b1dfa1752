import type { Metrics } from '#libs/telemetry/metrics.js';
import type { Readiness } from '#libs/telemetry/readiness.js';
import type { FromProcess, ToProcess } from './process-messages.js';

const tellEveryMs = 200;

/** The channel to the primary. */
export interface PrimaryChannel {
  send(message: FromProcess): void;
  onMessage(listener: (message: ToProcess) => void): void;
}

/** Which of the processes that share a service's addresses this one is, and its side of the talk with their primary. */
export class OwnProcess {
  private readonly waiting = new Map<number, (text: string) => void>();
  private asked = 0;

  /**
   * @param number from 0
   * @param of how many there are
   * @param primary undefined = it is alone
   */
  constructor(
    readonly number: number,
    readonly of: number,
    private readonly primary?: PrimaryChannel,
  ) {}

  static alone(): OwnProcess {
    return new OwnProcess(0, 1);
  }

  /** For logs and metrics; undefined = there is no other to be told from. */
  get label(): number | undefined {
    return this.primary === undefined ? undefined : this.number;
  }

  /** From now on the others hear whether this one is ready, it hears of them, and gives its metrics when they are asked for. */
  join(readiness: Readiness, metrics: Metrics): void {
    const { primary } = this;
    if (primary === undefined) return;
    primary.onMessage((message) => {
      if (message.kind === 'others') readiness.setOthers(message.reasons);
      else if (message.kind === 'all-metrics') this.waiting.get(message.id)?.(message.text);
      else
        void metrics.registry
          .getMetricsAsJSON()
          .then((families) => primary.send({ kind: 'metrics', id: message.id, families }));
    });
    const tell = (): void => primary.send({ kind: 'state', reasons: readiness.own() });
    tell();
    setInterval(tell, tellEveryMs).unref();
  }

  /** Of all processes, whichever was asked, as Prometheus reads them. */
  async allMetrics(metrics: Metrics): Promise<string> {
    const { primary } = this;
    if (primary === undefined) return metrics.registry.metrics();
    const id = (this.asked += 1);
    const text = await new Promise<string>((resolve) => {
      this.waiting.set(id, resolve);
      primary.send({ kind: 'all-metrics-wanted', id });
    });
    this.waiting.delete(id);
    return text;
  }
}
