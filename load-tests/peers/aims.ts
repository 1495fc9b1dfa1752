import { type Comparison, type Costs, measuredOf, type PeerResult } from './comparison.js';
import { failedShare } from './generator.js';
import { blockRows, type Measured } from './measure.js';
import { type ModelName, modelNames } from './peer.js';

export interface Aim {
  readonly what: string;
  readonly target: string;
  readonly figure: string;
  /** Undefined where it was not measured in this run. */
  readonly met: boolean | undefined;
}

/** What Millrace wants to be, each beside what this run found. */
export function aimsOf(comparison: Comparison): Aim[] {
  const peer = (wanted: string) => comparison.peers.find(({ key }) => key === wanted);
  const millrace = peer('millrace');
  const one = measuredOf(millrace, 'gbt100');
  const stock = measuredOf(peer('millrace-grpc-js'), 'gbt100');
  const control = measuredOf(peer('control'), 'gbt100');
  const overControl = (measured: Measured | undefined) =>
    measured && control ? measured.full.cpuUs / control.full.cpuUs : undefined;
  const atMost = (most: number) => (value: number) => value <= most;
  return [
    aim(
      'CPU a request over the bare grpc-js control’s, one row, 100 trees',
      'at most 1.5',
      overControl(one),
      atMost(1.5),
    ),
    aim('the same with stock grpc-js between them too', 'at most 1.5', overControl(stock), atMost(1.5)),
    aim(
      'p99 at half of its maximum, one row, 100 trees',
      'under 4 ms',
      one?.half.p99Ms,
      (x) => x < 4 && failedShare(one!.half) <= 0.001,
      ms,
    ),
    aim('p50 alone, one row, 100 trees', 'under 0.6 ms', one?.alone.p50Ms, (x) => x < 0.6, ms),
    ...modelNames.map((model) => blockAim(comparison, millrace, model)),
    ...(['gbt100', 'gbt500'] as const).map((model) => streamAim(comparison, millrace, model)),
    mlpAim(millrace),
    ...costAims(comparison.costs),
    lookupAim(comparison.lookup),
  ];
}

const ms = (x: number): string => `${x.toFixed(2)} ms`;
const percent = (x: number): string => `${(x * 100).toFixed(1)} %`;
const thousands = (x: number): string => Math.round(x).toLocaleString('en-US');

function aim(
  what: string,
  target: string,
  value: number | undefined,
  isMet: (value: number) => boolean,
  show: (value: number) => string = (x) => x.toFixed(2),
): Aim {
  const known = value !== undefined && Number.isFinite(value);
  return { what, target, figure: known ? show(value) : 'not measured', met: known ? isMet(value) : undefined };
}

/** The control is no peer: it is what a peer could at best be in Node. */
function blockAim({ peers }: Comparison, millrace: PeerResult | undefined, model: ModelName): Aim {
  const others = peers.filter(({ key }) => !key.startsWith('millrace') && key !== 'control');
  const best = Math.max(...others.map((peer) => measuredOf(peer, model)?.block.perSecond ?? 0));
  const target = best > 0 ? `at least the best peer’s ${thousands(best)}` : 'at least the best peer’s';
  const value = best > 0 ? measuredOf(millrace, model)?.block.perSecond : undefined;
  return aim(`requests of ${blockRows} rows a second, unary, ${model}`, target, value, (x) => x >= best, thousands);
}

function streamAim({ alone }: Comparison, millrace: PeerResult | undefined, model: ModelName): Aim {
  const stream = measuredOf(millrace, model)?.stream;
  const limit = alone[model]?.block;
  const share = stream && limit ? (stream.perSecond * blockRows) / limit : undefined;
  const what = `predictions in blocks of ${blockRows} on a stream over onnxruntime alone in such blocks, ${model}`;
  return aim(what, 'at least 60 %', share, (x) => x >= 0.6, percent);
}

function mlpAim(millrace: PeerResult | undefined): Aim {
  const stream = measuredOf(millrace, 'mlp')?.stream;
  const value = stream && stream.perSecond * blockRows;
  return aim(
    'predictions a second a core in blocks on a stream, mlp',
    'at least 300,000',
    value,
    (x) => x >= 3e5,
    thousands,
  );
}

function costAims(costs: Comparison['costs']): Aim[] {
  const found: Costs | undefined = costs === undefined || 'problem' in costs ? undefined : costs;
  const log = found && 1 - found.withLog / found.withoutLog;
  const shadow = found && found.p99WithShadow / found.p99Alone - 1;
  const rate = found === undefined ? '' : `, at ${thousands(found.shadowRate)} a second`;
  return [
    aim('throughput that the prediction log costs, gbt100', 'under 15 %', log, (x) => x < 0.15, percent),
    aim(`what a shadow adds to the answers’ p99, gbt100${rate}`, 'under 5 %', shadow, (x) => x < 0.05, percent),
  ];
}

function lookupAim(lookup: Comparison['lookup']): Aim {
  const added = lookup === undefined || 'problem' in lookup ? undefined : lookup.addedP99Ms;
  return aim('what looking 50 features up adds to p99, at half of the maximum', 'under 1 ms', added, (x) => x < 1, ms);
}
