import type { VNode } from 'preact';
import type { TraceItemView } from '../../views/trace.view.js';
import { hrefOf } from '../route.js';

/** Centre of each kind's box. */
const places: Readonly<Record<string, readonly [number, number]>> = {
  prediction: [100, 170],
  version: [330, 60],
  features: [330, 170],
  rollout: [330, 280],
  run: [560, 60],
  events: [790, 170],
  approval: [560, 280],
  snapshot: [790, 60],
  code: [560, 170],
  audit: [1010, 280],
};
/** From what came later to what it rests on. */
const ways: readonly (readonly [string, string])[] = [
  ['prediction', 'version'],
  ['prediction', 'features'],
  ['prediction', 'rollout'],
  ['version', 'run'],
  ['run', 'snapshot'],
  ['run', 'code'],
  ['snapshot', 'events'],
  ['rollout', 'approval'],
  ['approval', 'audit'],
];
const [halfWidth, halfHeight] = [86, 27];

export type Standing = 'good' | 'bad' | 'warn' | 'absent' | 'calm';

/** bad = the audit log contradicts or lacks something; good = it bears out what it can; warn = something was not recorded. */
export function standingOf(items: readonly TraceItemView[]): Standing {
  const facts = new Set(items.flatMap((item) => item.facts.map(([name]) => name)));
  if (items.length === 0) return 'absent';
  if (facts.has('not proved')) return 'bad';
  if (facts.has('not recorded')) return 'warn';
  return facts.has('proved') ? 'good' : 'calm';
}

interface OriginPictureProps {
  readonly predictionId: string;
  readonly items: readonly TraceItemView[];
  readonly names: Readonly<Record<string, string>>;
}

const words: Readonly<Record<Standing, string>> = {
  good: 'proved',
  bad: 'not proved',
  warn: 'partly not recorded',
  absent: 'none',
  calm: '',
};

/** From the answer, on the left, back to the events; each box leads to its facts. */
export function OriginPicture({ predictionId, items, names }: OriginPictureProps): VNode {
  return (
    <div class="scroll" role="region" aria-label="Picture of the origin" tabIndex={0}>
      <svg class="picture" viewBox="0 0 1110 330" role="group" aria-label="From the answer back to the events">
        <defs>
          <marker id="back" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
            <path d="M0 0L8 4L0 8z" />
          </marker>
        </defs>
        {ways.map(([from, to]) => (
          <g class="way" key={`${from} ${to}`}>
            <path d={pathOf(places[from]!, places[to]!)} marker-end="url(#back)" />
          </g>
        ))}
        <g class="way">
          <path d={`M${330 + halfWidth} 184L470 225L690 225L704 184`} marker-end="url(#back)" />
        </g>
        {Object.entries(places).map(([kind, [x, y]]) => (
          <Box
            key={kind}
            kind={kind}
            title={names[kind] ?? kind}
            items={items.filter((item) => item.kind === kind)}
            href={hrefOf('/trace', { id: predictionId, at: kind })}
            x={x}
            y={y}
          />
        ))}
      </svg>
    </div>
  );
}

/** Straight from side to side, or from under one to over the other where they stand in one column. */
function pathOf([x1, y1]: readonly [number, number], [x2, y2]: readonly [number, number]): string {
  if (x1 === x2) {
    const down = y2 > y1 ? 1 : -1;
    return `M${x1} ${y1 + down * halfHeight}L${x2} ${y2 - down * halfHeight}`;
  }
  return `M${x1 + halfWidth} ${y1}L${x2 - halfWidth} ${y2}`;
}

interface BoxProps {
  readonly kind: string;
  readonly title: string;
  readonly items: readonly TraceItemView[];
  readonly href: string;
  readonly x: number;
  readonly y: number;
}

function Box({ kind, title, items, href, x, y }: BoxProps): VNode {
  const standing = standingOf(items);
  const said = [items.length > 1 ? `${items.length} items` : shortened(items[0]?.id ?? ''), words[standing]];
  const text = said.filter((part) => part !== '').join(', ');
  return (
    <a class={`origin ${standing}`} href={href} aria-label={`${title}: ${text}`} data-origin={kind}>
      <rect x={x - halfWidth} y={y - halfHeight} width={halfWidth * 2} height={halfHeight * 2} rx="6" />
      <text class="name" x={x - halfWidth + 10} y={y - 5}>
        {title}
      </text>
      <text class="state" x={x - halfWidth + 10} y={y + 14}>
        {text}
      </text>
    </a>
  );
}

function shortened(id: string): string {
  return id.length > 14 ? `${id.slice(0, 12)}…` : id;
}
