import { randomUUID } from 'node:crypto';
import type { Admin, Kafka } from 'kafkajs';
import type { Logger } from '#libs/telemetry/logger.js';
import { keepRunning } from './keep-running.js';
import type { Consumer } from './message-log.js';

/**
 * Reads a compacted topic from the beginning, in a group of its own that never commits, and follows it.
 * Resolves once everything that was in the topic at the call has been delivered.
 */
export async function followCompacted(
  kafka: Kafka,
  admin: Admin,
  service: string,
  topic: string,
  onChange: (key: string, value: Buffer | null) => void,
  logger: Logger,
): Promise<Consumer> {
  const ends = new Map(
    (await waitForTopic(admin, topic)).map((o) => [o.partition, { high: Number(o.high), low: Number(o.low) }]),
  );
  const waitingFor = new Set([...ends].filter(([, o]) => o.high > o.low).map(([partition]) => partition));
  const consumer = kafka.consumer({
    groupId: `${service}.follow.${randomUUID()}`,
    sessionTimeout: 10_000,
    heartbeatInterval: 1_000,
    maxWaitTimeInMs: 250, // a stop waits for the fetch in flight
  });
  let lastMs = Date.now();
  let caughtUp: () => void = () => undefined;
  const ready = new Promise<void>((resolve) => (caughtUp = resolve));
  if (waitingFor.size === 0) caughtUp();
  consumer.on(consumer.events.HEARTBEAT, () => (lastMs = Date.now()));
  const run = async (): Promise<void> => {
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatch: async ({ batch }) => {
        lastMs = Date.now();
        for (const message of batch.messages) if (message.key !== null) onChange(message.key.toString(), message.value);
        // Compaction and transaction markers leave gaps: the batch's own last offset tells, not the last message's.
        if (Number(batch.lastOffset()) + 1 >= (ends.get(batch.partition)?.high ?? 0))
          waitingFor.delete(batch.partition);
        if (waitingFor.size === 0) caughtUp();
      },
    });
  };
  const running = await keepRunning(consumer, run, logger, { topic });
  await ready;
  return {
    stop: () => running.stop(),
    rewind: () => undefined,
    health: () => ({ assigned: ends.size, silentMs: Date.now() - lastMs, lag: 0 }),
  };
}

/** The owner may not have created its topic yet: waits up to a minute. */
async function waitForTopic(admin: Admin, topic: string): Promise<{ partition: number; high: string; low: string }[]> {
  const untilMs = Date.now() + 60_000;
  for (;;) {
    const known = await admin.listTopics();
    if (known.includes(topic)) return admin.fetchTopicOffsets(topic);
    if (Date.now() > untilMs) throw new Error(`topic ${topic} does not exist; is its owner running?`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}
