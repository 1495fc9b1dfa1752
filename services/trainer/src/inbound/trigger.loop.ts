import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Logger } from '#libs/telemetry/logger.js';

/** Looks every few seconds whether there is a reason to start a run. A look that fails is logged and tried in the next round, and does not keep the others from being made. */
export class TriggerLoop {
  private timer: NodeJS.Timeout | undefined;
  private looking: Promise<void> = Promise.resolve();
  private stopped = false;

  constructor(
    /** By what they look at. */
    private readonly looks: Readonly<Record<string, () => Promise<void>>>,
    private readonly logger: Logger,
    private readonly everyMs = 5_000,
  ) {}

  start(): void {
    if (this.stopped) return;
    this.looking = this.lookAtAll();
    void this.looking.then(() => (this.timer = setTimeout(() => this.start(), this.everyMs)));
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.looking;
    clearTimeout(this.timer);
  }

  private async lookAtAll(): Promise<void> {
    for (const [at, look] of Object.entries(this.looks))
      await look().catch((error: unknown) => this.logger.warn('triggers_wait', { at, error: errorMessage(error) }));
  }
}
