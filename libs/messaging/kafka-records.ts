import type { KafkaMessage } from 'kafkajs';
import type { LogRecord } from './message-log.js';

export function toLogRecord(partition: number, message: KafkaMessage): LogRecord {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(message.headers ?? {})) {
    const first = Array.isArray(value) ? value[0] : value;
    if (first !== undefined) headers[name] = first.toString();
  }
  return {
    partition,
    offset: Number(message.offset),
    key: message.key,
    value: message.value,
    headers,
    timestampMs: Number(message.timestamp),
  };
}
