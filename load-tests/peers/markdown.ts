import type { Aim } from './aims.js';
import { type Comparison, measuredOf, type PeerResult } from './comparison.js';
import { failedShare, type Figures } from './generator.js';
import { blockRows } from './measure.js';
import { type ModelName, modelNames } from './peer.js';

/** More processes than this that wanted to run before it began, and figures are not of a quiet machine. */
const quietLoad = 0.5;
const count = (x: number | undefined): string => (x === undefined ? '' : Math.round(x).toLocaleString('en-US'));
const ms = (x: number | undefined): string => (x === undefined ? '' : x.toFixed(2));
const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
const titles: Record<ModelName, string> = {
  mlp: 'A small neural net (20-64-32-1)',
  gbt100: '100 trees of 31 leaves',
  gbt500: '500 trees of 31 leaves',
};

/** The whole comparison as a page. */
export function toMarkdown(comparison: Comparison, aims: readonly Aim[], picture: string): string {
  const { date, commit, machine, seconds, models } = comparison;
  return [
    '# The same models, served by Millrace and by others',
    '',
    `${date.slice(0, 16).replace('T', ' ')} UTC, ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}, Node ${machine.node}; load before it began ${machine.loadBefore}${commit === '' ? '' : `; commit ${commit.slice(0, 12)}`}.`,
    `All of a server's processes on one core, the generator on another; ${seconds} s a figure.${machine.loadBefore > quietLoad ? ' The machine was not quiet: others worked on both cores, so figures are too low and latencies too long.' : ''} What is measured, and how: [load-tests/peers](../peers).`,
    '',
    `![requests a second, CPU a request and p99, by peer](${picture})`,
    '',
    ...aimLines(aims),
    ...modelNames.filter((model) => models[model] !== undefined).flatMap((model) => modelLines(comparison, model)),
    '## What was run',
    '',
    row(['peer', 'versions', 'how']),
    row(['---', '---', '---']),
    ...comparison.peers.map(({ name, version, note }) => row([name, version, note])),
    '',
    ...crossCheck(comparison),
  ].join('\n');
}

function aimLines(aims: readonly Aim[]): string[] {
  const verdict = ({ met }: Aim): string => (met === undefined ? '' : met ? 'met' : 'missed');
  return [
    '## What Millrace aims at',
    '',
    row(['aim', 'target', 'this run', '']),
    row(['---', '---', '---:', '---']),
    ...aims.map((aim) => row([aim.what, aim.target, aim.figure, verdict(aim)])),
    '',
  ];
}

function modelLines({ peers, alone }: Comparison, model: ModelName): string[] {
  const { one, block } = alone[model]!;
  const heads = ['', 'requests/s', 'CPU, µs', 'p50, p99 at half, ms', 'p50, p99 at 1,000/s, ms', 'p50 alone, ms'];
  return [
    `## ${titles[model]}`,
    '',
    row([...heads, `${blockRows} rows: requests/s`, 'rows/s on a stream', 'PSS, MiB']),
    row(['---', ...Array.from({ length: heads.length + 2 }, () => '---:')]),
    ...peers.map((peer) => peerLine(peer, model)),
    '',
    `onnxruntime alone, nothing around it: ${count(one)} rows/s one by one, ${count(block)} rows/s in blocks of ${blockRows}.`,
    '',
  ];
}

function peerLine(peer: PeerResult, model: ModelName): string {
  const measured = measuredOf(peer, model);
  if (measured === undefined) {
    const outcome = peer.models[model];
    const why = outcome !== undefined && 'problem' in outcome ? outcome.problem : 'not asked';
    return row([
      peer.name,
      `did not serve it: ${why.replaceAll(/[|\n]/g, ' ').slice(0, 200)}`,
      '',
      '',
      '',
      '',
      '',
      '',
      '',
    ]);
  }
  const { full, half, thousand, alone, block, stream, pssMiB } = measured;
  return row([
    peer.name,
    count(full.perSecond),
    full.cpuUs.toFixed(0),
    latencies(half),
    thousand === undefined ? 'does not reach it' : latencies(thousand),
    ms(alone.p50Ms),
    count(block.perSecond),
    stream === undefined ? '' : count(stream.perSecond * blockRows),
    String(pssMiB),
  ]);
}

/** What was not answered is said where it is more than one in a thousand. */
function latencies(figures: Figures): string {
  const share = failedShare(figures);
  const failed = share > 0.001 ? ` (${(share * 100).toFixed(1)} % refused)` : '';
  return `${ms(figures.p50Ms)}, ${ms(figures.p99Ms)}${failed}`;
}

/** Another generator, in C, on the same servers: do the figures come from ours? */
function crossCheck({ h2load, peers }: Comparison): string[] {
  const figures = Object.entries(h2load).map(([key, figure]) => {
    const peer = peers.find((one) => one.key === key);
    const ours = count(measuredOf(peer, 'gbt100')?.full.perSecond);
    const theirs = typeof figure === 'number' ? count(figure) : figure.problem;
    return `${peer?.name ?? key} ${theirs} (${ours})`;
  });
  if (figures.length === 0) return [];
  return [
    `h2load against the same, gbt100, 8 connections with 8 out on each, requests/s (ours): ${figures.join('; ')}.`,
    '',
  ];
}
