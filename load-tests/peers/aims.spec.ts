import { describe, expect, it } from '@jest/globals';
import { aimsOf } from './aims.js';
import type { Comparison, Outcome } from './comparison.js';
import type { Figures } from './generator.js';
import { toMarkdown } from './markdown.js';
import type { Measured } from './measure.js';
import { toPicture } from './picture.js';

const figures = (of: Partial<Figures>): Figures => ({
  answered: 10_000,
  perSecond: 2_500,
  p50Ms: 0.5,
  p90Ms: 1,
  p99Ms: 2,
  p999Ms: 3,
  maxMs: 4,
  lateP99Ms: 0.1,
  failed: {},
  failedMaxMs: 0,
  cpuUs: 100,
  ...of,
});

function measured(of: { cpuUs: number; blocks: number; stream?: number; half?: Partial<Figures> }): Measured {
  return {
    full: figures({ cpuUs: of.cpuUs }),
    half: figures(of.half ?? {}),
    alone: figures({}),
    block: figures({ perSecond: of.blocks }),
    ...(of.stream === undefined ? {} : { stream: figures({ perSecond: of.stream }) }),
    pssMiB: 100,
  };
}

function comparison(millrace: Measured, peer: Outcome = measured({ cpuUs: 400, blocks: 2_000 })): Comparison {
  const one = (key: string, outcome: Outcome) => ({
    key,
    name: key,
    note: 'as it is',
    version: '1',
    models: { gbt100: outcome },
  });
  return {
    date: '2026-11-25T23:45:00.000Z',
    commit: '',
    machine: { cpu: 'a CPU', cores: 2, memoryGiB: 24, system: 'Linux', node: '20', loadBefore: 0 },
    seconds: 4,
    models: { gbt100: 'a' },
    alone: { gbt100: { one: 100_000, block: 1_000_000 } },
    peers: [one('millrace', millrace), one('control', measured({ cpuUs: 40, blocks: 9_000 })), one('kserve', peer)],
    h2load: {},
  };
}

const verdicts = (of: Comparison): Record<string, boolean | undefined> =>
  Object.fromEntries(aimsOf(of).map(({ what, met }) => [what.slice(0, 24), met]));

describe('aims beside figures', () => {
  it('are met at their bounds, the control being no peer', () => {
    const met = verdicts(comparison(measured({ cpuUs: 60, blocks: 2_000, stream: 18_750 })));
    expect(met).toMatchObject({
      'CPU a request over the b': true,
      'p99 at half of its maxim': true,
      'p50 alone, one row, 100 ': true,
    });
    const blocks = aimsOf(comparison(measured({ cpuUs: 60, blocks: 2_000, stream: 18_750 })));
    expect(blocks.find(({ what }) => what.includes('unary, gbt100'))).toMatchObject({ met: true, figure: '2,000' });
    expect(blocks.find(({ what }) => what.includes('in such blocks, gbt100'))).toMatchObject({
      met: true,
      figure: '60.0 %',
    });
  });

  it('are missed past them, and where the latencies are of what was not refused alone', () => {
    const refused = figures({ failed: { 'grpc-status 8': 300 } });
    const found = aimsOf(comparison(measured({ cpuUs: 61, blocks: 1_999, stream: 18_000, half: refused })));
    const missed = found.filter(({ met }) => met === false).map(({ what }) => what.slice(0, 24));
    expect(missed).toEqual([
      'CPU a request over the b',
      'p99 at half of its maxim',
      'requests of 32 rows a se',
      'predictions in blocks of',
    ]);
  });

  it('say nothing of what was not measured', () => {
    const found = aimsOf(comparison(measured({ cpuUs: 60, blocks: 2_000 })));
    const open = found.filter(({ met }) => met === undefined);
    expect(open.map(({ figure }) => figure)).toEqual(open.map(() => 'not measured'));
    expect(open.some(({ what }) => what.includes('prediction log'))).toBe(true);
  });
});

describe('the page and its picture', () => {
  const failed = comparison(measured({ cpuUs: 60, blocks: 2_000 }), { problem: 'no wheel | for this system' });

  it('say why a peer has no figures', () => {
    const page = toMarkdown(failed, aimsOf(failed), 'a.svg');
    expect(page).toContain('| kserve | did not serve it: no wheel   for this system |');
    expect(toPicture(failed)).not.toContain('kserve');
  });

  it('tell what was refused beside the latencies', () => {
    const half = figures({ failed: { 'grpc-status 8': 200 } });
    const page = toMarkdown(comparison(measured({ cpuUs: 60, blocks: 1, half })), [], 'a.svg');
    expect(page).toContain('0.50, 2.00 (2.0 % refused)');
  });
});
