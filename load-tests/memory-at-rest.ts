import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { projectRoot } from '#libs/storage/sql-file.js';
import { print } from './load-test.js';

/** How much memory does the whole mesh hold, process by process? Proportional set size, so that shared pages count once. Linux. */
const { values } = parseArgs({ options: { json: { type: 'boolean', default: false } } });
const folder = join(process.env['MILLRACE_DATA'] ?? join(projectRoot(), '.millrace'), 'run');
const megabytes = (pid: number): number =>
  Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1] ?? 0) / 1_024;
const children = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);
const tree = (pid: number): number => megabytes(pid) + children(pid).reduce((sum, child) => sum + tree(child), 0);
const processes = readdirSync(folder)
  .filter((file) => file.endsWith('.pid') && file !== 'holder.pid')
  .map(
    (file) => [file.replace('.pid', ''), Math.round(tree(Number(readFileSync(join(folder, file), 'utf8'))))] as const,
  );
const launcher = Math.round(megabytes(Number(readFileSync(join(folder, 'holder.pid'), 'utf8'))));
const all = [...processes, ['launcher', launcher] as const];
print(values.json, {
  ...Object.fromEntries(all.map(([name, mb]) => [name, `${mb} MiB`])),
  total: `${all.reduce((sum, [, mb]) => sum + mb, 0)} MiB`,
});
