import { spawn } from 'node:child_process';
import { appendFileSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { projectRoot } from '#libs/storage/sql-file.js';
import { WriteAheadLog } from './write-ahead-log.js';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'wal-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const openLog = (more: object = {}) => new WriteAheadLog({ folder, maxBytes: 1e9, fsync: false, ...more });
const text = (entries: readonly { payload: Buffer }[]) => entries.map(({ payload }) => payload.toString());

async function readAll(log: WriteAheadLog, maxBytes = 100) {
  const all = [];
  for (let after = 0; ;) {
    const entries = await log.readAfter(after, maxBytes);
    if (entries.length === 0) return all;
    all.push(...entries);
    after = entries.at(-1)!.sequence;
  }
}

it('gives back what was appended, in order, over segments and after it was opened again', async () => {
  const wanted = Array.from({ length: 200 }, (_, i) => `entry ${i} ${'x'.repeat(i)}`);
  let log = openLog({ segmentBytes: 2_000 });
  await Promise.all(wanted.slice(0, 100).map((entry) => log.append(Buffer.from(entry))));
  const { id } = log;
  await log.close();
  log = openLog({ segmentBytes: 2_000 });
  expect(log.id).toBe(id);
  for (const entry of wanted.slice(100)) await log.append(Buffer.from(entry));
  const read = await readAll(log);
  expect(text(read)).toEqual(wanted);
  expect(read.map(({ sequence }) => sequence)).toEqual(wanted.map((_, i) => i + 1));
  await log.close();
});

it('opened again it goes on behind what was shipped, however much of the segment lies before that', async () => {
  const wanted = Array.from({ length: 100 }, (_, i) => `entry ${i} ${'x'.repeat(100)}`);
  let log = openLog();
  for (const entry of wanted) await log.append(Buffer.from(entry));
  await log.markShipped(90);
  await log.close();
  log = openLog();
  await log.append(Buffer.from('of the next life'));
  const entries = await log.readAfter(90, 300);
  expect(entries[0]!.sequence).toBe(91);
  const rest = [...entries];
  for (let after = entries.at(-1)!.sequence; after < 101; after = rest.at(-1)!.sequence)
    rest.push(...(await log.readAfter(after, 300)));
  expect(text(rest)).toEqual([...wanted.slice(90), 'of the next life']);
  await log.close();
});

it('cuts off a torn tail and goes on behind it', async () => {
  let log = openLog();
  await log.append(Buffer.from('whole'));
  await log.close();
  appendFileSync(
    join(
      folder,
      readdirSync(folder).find((name) => name.endsWith('.wal'))!,
    ),
    Buffer.from([200, 0, 0, 0, 1, 2, 3]),
  );
  log = openLog();
  await log.append(Buffer.from('after'));
  expect(text(await readAll(log))).toEqual(['whole', 'after']);
  await log.close();
});

it('deletes what was shipped, and never gives a sequence twice', async () => {
  let log = openLog({ segmentBytes: 100 });
  for (let i = 0; i < 10; i++) await log.append(Buffer.alloc(60));
  await log.markShipped(10);
  expect(readdirSync(folder).filter((name) => name.endsWith('.wal'))).toHaveLength(1);
  await log.close();
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.wal'))) rmSync(join(folder, name));
  log = openLog();
  expect(log.nextSequence).toBe(11);
  await log.close();
});

it('refuses to grow beyond its bound, and says why', async () => {
  const log = openLog({ maxBytes: 100 });
  await log.append(Buffer.alloc(90));
  await expect(log.append(Buffer.alloc(1))).rejects.toThrow(/could not be shipped \(bound 100\)/);
  await log.close();
});

it('takes entries again when what filled it was shipped, however large it was', async () => {
  for (const size of [10, 90, 500]) {
    const log = openLog({ maxBytes: 100 });
    let last = 0;
    const fill = async (): Promise<void> => {
      for (;;) {
        await log.append(Buffer.alloc(size));
        last = log.nextSequence - 1;
      }
    };
    for (let round = 0; round < 3; round += 1) {
      await expect(fill()).rejects.toThrow(/could not be shipped/);
      await log.markShipped(last);
    }
    await log.append(Buffer.alloc(size));
    await log.close();
    rmSync(folder, { recursive: true });
  }
  openLog(); // for what comes after each test
});

it('has every entry that was answered for when its process is killed with -9', async () => {
  const script = `
    const { WriteAheadLog } = await import(${JSON.stringify(join(projectRoot(), 'dist/libs/wal/write-ahead-log.js'))});
    const log = new WriteAheadLog({ folder: ${JSON.stringify(folder)}, maxBytes: 1e9, fsync: false });
    for (;;) { const n = log.nextSequence; await Promise.all([log.append(Buffer.from('a')), log.append(Buffer.from('b'))]); console.log(n + 1); }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let answered = 0;
  let output = '';
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (data: Buffer) => {
      output += data.toString();
      const lines = output.split('\n');
      output = lines.pop()!;
      answered = Number(lines.at(-1) ?? answered);
      if (answered > 500 && !child.killed) child.kill('SIGKILL');
    });
    child.once('close', () => resolve());
  });
  const log = openLog();
  const entries = await readAll(log, 100_000);
  expect(entries.map(({ sequence }) => sequence)).toEqual(entries.map((_, i) => i + 1));
  expect(entries.length).toBeGreaterThanOrEqual(answered);
  expect(answered).toBeGreaterThan(500);
  await log.close();
});
