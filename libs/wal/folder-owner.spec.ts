import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { projectRoot } from '#libs/storage/sql-file.js';
import { takeFolder } from './folder-owner.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'owner-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

it("a folder is one process's while it lives, and the next one's when it has been killed", async () => {
  const script = `
    const { takeFolder } = await import(${JSON.stringify(join(projectRoot(), 'dist/libs/wal/folder-owner.js'))});
    takeFolder(${JSON.stringify(folder)}); console.log('taken'); setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  expect(() => takeFolder(folder)).toThrow(`is written by process ${child.pid}, which lives`);
  child.kill('SIGKILL');
  await once(child, 'exit');
  takeFolder(folder);
  takeFolder(folder); // again, by who has it
});

it('a process that has the id of one that is gone does not stand for it', () => {
  writeFileSync(join(folder, 'owner'), `${process.ppid} 1`);
  takeFolder(folder);
});
