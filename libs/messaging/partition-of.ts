import { createRequire } from 'node:module';

const require = createRequire(import.meta.url);
const murmur2 = require('kafkajs/src/producer/partitioners/default/murmur2') as (key: Buffer) => number;

/** The partition of a key as every Java-compatible Kafka client computes it: murmur2, positive, modulo. A null key goes to partition 0. */
export function partitionOf(key: Buffer | null, partitions: number): number {
  return key === null ? 0 : (murmur2(key) & 0x7fffffff) % partitions;
}
