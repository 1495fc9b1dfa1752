import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { untilTrue } from './start-pinned.js';
import { cpuUs, pssMiB, processTree } from './process-tree.js';

/** A parent that sleeps and a child of it that does not. */
const busyChild = `require('node:child_process').spawn(process.execPath, ['-e', 'for (;;);']); console.log('up'); setInterval(() => {}, 1e6);`;
const parent = spawn(process.execPath, ['-e', busyChild], { stdio: ['ignore', 'pipe', 'inherit'] });
const pid = parent.pid!;
beforeAll(() => once(parent.stdout, 'data'));
afterAll(() => {
  for (const one of processTree(pid)) process.kill(one, 'SIGKILL');
});

describe('the figures of a process tree', () => {
  it('are of its children too', async () => {
    const child = { pid, tail: () => '', ended: () => false, stop: async () => undefined };
    const before = cpuUs([pid]);
    await untilTrue(async () => cpuUs([pid]) - before >= 200_000, child, 20_000);
    expect(processTree(pid)).toHaveLength(2);
    expect(pssMiB([pid])).toBeGreaterThan(10);
  });

  it('are nothing of what has ended', () => {
    expect(cpuUs([2 ** 22 - 1])).toBe(0);
  });
});
