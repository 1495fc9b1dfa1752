import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { projectRoot } from '#libs/storage/sql-file.js';
import type { Costs, Lookup } from './comparison.js';
import type { Figures, Load } from './generator.js';
import { type Lengths, type Loader, loaderOf } from './measure.js';
import type { MillracePeer, Variant } from './millrace/millrace.peer.js';
import type { Models } from './models.js';

const shadowRate = 1_000;
const open: Partial<Load> = { rate: shadowRate };

/** What the log and a shadow cost: gateways that differ in that alone, asked by turns. @param rounds an odd number, for the median of each */
export async function measureCosts(
  peer: MillracePeer,
  binary: string,
  { all, row }: Models,
  lengths: Lengths,
  rounds: number,
): Promise<Costs> {
  const variants: Variant[] = [{}, { keepsLog: false }, { shadow: all.mlp }];
  const served = [];
  try {
    for (const variant of variants) served.push(await peer.serve(all.gbt100, variant));
    const [usual, unlogged, shadowed] = served.map((one) => loaderOf(binary, one, [one.request(row)], lengths)) as [
      Loader,
      Loader,
      Loader,
    ];
    for (const load of [usual, unlogged, shadowed]) await load({ seconds: lengths.seconds / 2 }); // warm
    const [withLog, withoutLog] = await byTurns(usual, unlogged, {}, rounds, ({ perSecond }) => perSecond);
    const [p99Alone, p99WithShadow] = await byTurns(usual, shadowed, open, rounds, ({ p99Ms }) => p99Ms);
    return { withLog, withoutLog, p99Alone, p99WithShadow, shadowRate };
  } finally {
    for (const one of served) await one.stop();
  }
}

/** What looking 50 features up adds, by the load test of that name. */
export async function measureLookup(seconds: number, rounds: number): Promise<Lookup> {
  const main = join(projectRoot(), 'dist/load-tests/feature-lookup.js');
  const args = ['--no-warnings', main, '--json', '--seconds', String(seconds), '--rounds', String(rounds)];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  return JSON.parse(stdout) as Lookup;
}

/** Medians of both; who goes first changes. */
async function byTurns(
  one: Loader,
  other: Loader,
  load: Partial<Load>,
  rounds: number,
  figure: (figures: Figures) => number,
): Promise<[number, number]> {
  const found: [number[], number[]] = [[], []];
  for (let round = 0; round < rounds; round += 1)
    for (const side of round % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const))
      found[side].push(figure(await (side === 0 ? one : other)(load)));
  return [median(found[0]), median(found[1])];
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
}
