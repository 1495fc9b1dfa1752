import type { Consumer as KafkaConsumer } from 'kafkajs';
import { errorMessage } from '#libs/errors/millrace-error.js';
import type { Logger } from '#libs/telemetry/logger.js';

const retryMs = 1_000;

/** A consumer that is started and kept running. */
export interface RunningConsumer {
  /** Leaves the group; resolves when nothing is handled any more. */
  stop(): Promise<void>;
}

/**
 * Connects and runs a consumer whose topics are subscribed by `run`, and runs it again whenever kafkajs gives it up: it restarts one only where its own list calls the first cause of a crash
 * retriable, and says nothing more otherwise. A coordinator that forgets a member while it joins is such a cause, and a broker that comes back does that.
 * @param onCrash before it is run again
 * @returns when it runs for the first time @throws what the first start fails with
 */
export async function keepRunning(
  consumer: KafkaConsumer,
  run: () => Promise<void>,
  logger: Logger,
  fields: Readonly<Record<string, string>>,
  onCrash: () => void = () => undefined,
): Promise<RunningConsumer> {
  let stopping = false;
  let timer: NodeJS.Timeout | undefined;
  let starting: Promise<void> | undefined;
  const start = async (): Promise<void> => {
    await consumer.connect();
    if (!stopping) await run();
  };
  const startAgain = (): void => {
    if (stopping) return;
    starting = start().catch((error: unknown) => {
      logger.warn('consumer_not_restarted', { ...fields, error: errorMessage(error) });
      if (!stopping) timer = setTimeout(startAgain, retryMs);
    });
  };
  consumer.on(consumer.events.CRASH, ({ payload }) => {
    onCrash();
    logger.warn('consumer_crashed', { ...fields, error: payload.error.message, restart: payload.restart });
    if (!payload.restart && !stopping) timer = setTimeout(startAgain, retryMs);
  });
  await start();
  return {
    stop: async () => {
      stopping = true;
      clearTimeout(timer);
      await consumer.disconnect();
      if (starting === undefined) return;
      // It may have connected again meanwhile.
      await starting;
      await consumer.disconnect();
    },
  };
}
