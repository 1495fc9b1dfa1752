import type { AlertStore, FiringAlert } from './ports.js';
import type { TriggeredRuns } from './triggered-runs.js';

/**
 * Alerts that ask for another training, for as long as they fire: one that starts no run now may do so when the cool-down is over, and one whose run did not help asks for
 * another. One change or look after another, so that nothing is started for an alert once it is known to be over.
 */
export class FiringAlerts {
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly alerts: AlertStore,
    private readonly runs: TriggeredRuns,
  ) {}

  /** Keeps it, and considers the pipelines of its model at once. Rejects when it or a decision could not be kept: tell it again. */
  fires(alert: FiringAlert): Promise<void> {
    return this.inTurn(async () => {
      if (await this.alerts.fires(alert)) await this.consider(alert);
    });
  }

  /** Rejects when it could not be kept: tell it again. */
  isOver(fingerprint: string, startsMs: number): Promise<void> {
    return this.inTurn(() => this.alerts.isOver(fingerprint, startsMs));
  }

  /** Considers again what fires. */
  look(): Promise<void> {
    return this.inTurn(async () => {
      for (const alert of await this.alerts.firing()) await this.consider(alert);
    });
  }

  private async consider({ fingerprint, startsMs, model, reason, summary }: FiringAlert): Promise<void> {
    const occasion = { key: `alert/${fingerprint}/${startsMs}`, reason, summary };
    for (const pipeline of this.runs.pipelines(model)) await this.runs.considerAgain(pipeline, occasion);
  }

  private inTurn(work: () => Promise<void>): Promise<void> {
    const mine = this.last.then(work);
    this.last = mine.catch(() => undefined); // the caller gets it
    return mine;
  }
}
