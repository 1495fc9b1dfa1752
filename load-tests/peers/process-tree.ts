import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { setPriority } from 'node:os';

/** Of one tick of /proc/<pid>/stat: USER_HZ is 100 wherever Linux runs Node. */
const tickUs = 10_000;

/** A process, its children, theirs. Linux. */
export function processTree(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(processTree)];
}

/** Children of every thread: a server forks from whichever it likes. */
function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
      readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
    );
  } catch {
    return []; // it has ended since it was listed
  }
}

/** User and system time of the trees so far, of all threads, with what ended children used; µs, to 10 ms a process. */
export function cpuUs(pids: readonly number[]): number {
  return pids.flatMap(processTree).reduce((sum, pid) => sum + ticksOf(pid), 0) * tickUs;
}

function ticksOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // proc(5): the name, field 2, may hold spaces; utime is field 14, stime 15.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return Number(fields[11]) + Number(fields[12]);
  } catch {
    return 0; // it has ended since it was listed
  }
}

/** Proportional set size of the trees, so that shared pages count once; MiB. */
export function pssMiB(pids: readonly number[]): number {
  const kib = pids.flatMap(processTree).map((pid) => {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
    return Number(/^Pss:\s+(\d+) kB/m.exec(rollup)?.[1] ?? 0);
  });
  return Math.round(kib.reduce((sum, one) => sum + one, 0) / 1_024);
}

/** Every thread of the trees on one core; those that they start later stay there. */
export function pin(pids: readonly number[], core: number): void {
  for (const pid of pids.flatMap(processTree)) execFileSync('taskset', ['-a', '-c', '-p', String(core), String(pid)]);
}

/** Every thread of the trees runs only while others on its core do not want to, nearly: what would be on another machine is not to delay the generator. */
export function giveWay(pids: readonly number[]): void {
  for (const pid of pids.flatMap(processTree))
    for (const thread of readdirSync(`/proc/${pid}/task`)) setPriority(Number(thread), 15);
}
