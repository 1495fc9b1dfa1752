import { cpus, loadavg, release, totalmem, type } from 'node:os';
import type { Machine } from './comparison.js';

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? 'unknown',
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: process.versions.node,
    loadBefore: Number(loadavg()[0]!.toFixed(2)),
  };
}
