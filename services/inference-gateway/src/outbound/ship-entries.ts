import type { Publisher } from '#libs/messaging/message-log.js';
import type { WalEntry, WriteAheadLog } from '#libs/wal/write-ahead-log.js';

/** Of a log, read and shipped at a time. */
export const batchBytes = 2 * 1024 * 1024;

/**
 * Carries entries of a log to Kafka, and marks them. What was sent but not marked is sent again after a crash: the reader knows a block by its log and sequence.
 * @param entries one or more, those that the log has next
 * @param headersOf of the block with this sequence
 * @throws where Kafka does not take them; then nothing is marked
 */
export async function shipEntries(
  wal: WriteAheadLog,
  publisher: Publisher,
  entries: readonly WalEntry[],
  headersOf: (sequence: number) => Record<string, string>,
): Promise<void> {
  const key = Buffer.from(wal.id);
  await publisher.publish(
    entries.map(({ payload, sequence }) => ({ key, value: payload, headers: headersOf(sequence) })),
  );
  await wal.markShipped(entries.at(-1)!.sequence);
}
