import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { InferenceGatewaySettings } from './inference-gateway.settings.js';

/** One request may have so many; a share below it would refuse such a request for ever. */
const maxRequestRows = 1_000;

/**
 * The settings of one of several gateway processes: what bounds the machine's memory and disk is divided among them, rounded up. What is of one event loop (MIN_CALLS_IN_FLIGHT, timeouts) and what
 * is documented as each process's own (quotas) is not.
 */
export function shareOf(settings: InferenceGatewaySettings, processes: number): InferenceGatewaySettings {
  if (processes === 1) return settings;
  const part = (whole: number): number => Math.ceil(whole / processes);
  return {
    ...settings,
    WAL_MAX_BYTES: part(settings.WAL_MAX_BYTES),
    MAX_CALLS_IN_FLIGHT: part(settings.MAX_CALLS_IN_FLIGHT),
    MAX_ROWS_IN_FLIGHT: Math.min(
      settings.MAX_ROWS_IN_FLIGHT,
      Math.max(maxRequestRows, part(settings.MAX_ROWS_IN_FLIGHT)),
    ),
    SHADOW_MAX_ROWS: part(settings.SHADOW_MAX_ROWS),
  };
}

/** Where a process keeps its log: the first where a gateway of one process does, so that its log goes on whatever the number of processes. */
export function logFolderOf(dataDir: string, process: number): string {
  return join(dataDir, process === 0 ? 'wal' : `wal-${process}`);
}

/** Folders of processes that there are no more, since there were more of them at another start. */
export function leftOverFolders(dataDir: string, processes: number): string[] {
  const numbers = readdirSync(dataDir).map((name) => Number(/^wal-(\d+)$/.exec(name)?.[1] ?? -1));
  const left = numbers.filter((number) => number >= processes).sort((a, b) => a - b);
  return left.map((number) => logFolderOf(dataDir, number));
}
