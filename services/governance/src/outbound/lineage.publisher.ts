import { MillraceError } from '#libs/errors/millrace-error.js';
import type { Publisher } from '#libs/messaging/message-log.js';
import type { ReceivedEvent } from './lineage.store.js';

const maxWaitingBytes = 64 * 1024 * 1024;

/** Events that came from outside, to the topic. The patience is below the 5 s after which OpenLineage's clients give up and send again: by then they have an answer. */
export class LineagePublisher {
  private waitingBytes = 0;

  constructor(
    private readonly publisher: Publisher,
    private readonly patienceMs = 4_000,
  ) {}

  /**
   * Resolves when all in-sync replicas have them.
   * @param forwarded they come from another server like this one, and go no further
   * @throws MillraceError unavailable when the broker has not taken them within 4 s; it may still do so, and an event that comes again counts once
   */
  async publish(received: readonly ReceivedEvent[], forwarded: boolean): Promise<void> {
    if (received.length === 0) return;
    const records = received.map(({ event, text }) => {
      const { namespace, name } = event.job ?? event.dataset!;
      const headers: Record<string, string> = forwarded ? { forwarded: 'true' } : {};
      return { key: Buffer.from(`${namespace}/${name}`), value: Buffer.from(text), headers };
    });
    const bytes = records.reduce((sum, { value }) => sum + value.length, 0);
    if (this.waitingBytes + bytes > maxWaitingBytes)
      throw new MillraceError('unavailable', 'too many events wait for the broker; send this again');
    this.waitingBytes += bytes;
    const sent = this.publisher.publish(records).finally(() => (this.waitingBytes -= bytes));
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = new MillraceError(
        'unavailable',
        `the broker has not answered within ${this.patienceMs} ms; send this again`,
      );
      timer = setTimeout(() => reject(error), this.patienceMs);
    });
    try {
      await Promise.race([sent, late]);
    } catch (error) {
      sent.catch(() => undefined); // told already: nobody waits for it any more
      if (error instanceof MillraceError) throw error;
      throw new MillraceError('unavailable', 'the broker did not take it; send this again', { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }
}
