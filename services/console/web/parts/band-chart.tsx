import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { figure } from './format.js';

type Values = readonly (number | null)[];

export interface Band {
  readonly label: string;
  /** Of --line-1 … --line-4. */
  readonly line: 1 | 2 | 3 | 4;
  readonly mid: Values;
  /** Its interval; absent = a line alone. */
  readonly low?: Values;
  readonly high?: Values;
}

/** A level that the values are held against. */
export interface Mark {
  readonly label: string;
  readonly value: number;
  readonly tone: 'good' | 'bad';
}

interface BandChartProps {
  /** Says what is shown, for who does not see it. */
  readonly label: string;
  /** Ascending. */
  readonly x: readonly number[];
  readonly bands: readonly Band[];
  readonly marks?: readonly Mark[];
  readonly formatX: (value: number) => string;
  readonly height?: number;
}

const [left, right, top, bottom] = [58, 12, 10, 22];
const mostDots = 60;

/** Estimates with their intervals, and the levels that they are held against. Where an interval begins very wide, it is cut. */
export function BandChart({ label, x, bands, marks = [], formatX, height = 200 }: BandChartProps): VNode {
  const holder = useRef<HTMLDivElement>(null);
  const width = useWidth(holder);
  const [from, to] = rangeOf(bands, marks);
  const [first, last] = [x[0] ?? 0, x.at(-1) ?? 1];
  const px = (value: number): number =>
    last === first ? (left + width - right) / 2 : left + ((value - first) / (last - first)) * (width - left - right);
  const py = (value: number): number => top + ((to - value) / (to - from)) * (height - top - bottom);
  const clip = `clip-${label.replace(/\W+/g, '-')}`;
  return (
    <div class="chart" ref={holder}>
      <svg class="bands" width={width} height={height} viewBox={`0 0 ${width} ${height}`} role="img" aria-label={label}>
        <clipPath id={clip}>
          <rect x={left} y={top} width={Math.max(0, width - left - right)} height={height - top - bottom} />
        </clipPath>
        {ticksOf(from, to).map((value) => (
          <g class="tick" key={value}>
            <line x1={left} x2={width - right} y1={py(value)} y2={py(value)} />
            <text x={left - 6} y={py(value) + 4} text-anchor="end">
              {figure(value)}
            </text>
          </g>
        ))}
        {placesOf(x, width).map(({ value, anchor }) => (
          <text class="place" x={px(value)} y={height - 6} text-anchor={anchor} key={value}>
            {formatX(value)}
          </text>
        ))}
        <g clip-path={`url(#${clip})`}>
          {bands.map((band) => (
            <BandDrawn band={band} x={x} px={px} py={py} formatX={formatX} key={band.label} />
          ))}
        </g>
        {marks.map(({ label, value, tone }) => (
          <g class={`mark ${tone}`} key={label} data-mark={label}>
            <line x1={left} x2={width - right} y1={py(value)} y2={py(value)} />
            <text x={width - right - 4} y={py(value) - 4} text-anchor="end">
              {label}
            </text>
          </g>
        ))}
      </svg>
      <Legend bands={bands} />
    </div>
  );
}

interface DrawnProps {
  readonly band: Band;
  readonly x: readonly number[];
  readonly px: (value: number) => number;
  readonly py: (value: number) => number;
  readonly formatX: (value: number) => string;
}

function BandDrawn({ band: { label, line, mid, low, high }, x, px, py, formatX }: DrawnProps): VNode {
  const points = x.flatMap((at, i) => {
    const value = mid[i];
    return value === null || value === undefined
      ? []
      : [{ at, value, low: low?.[i] ?? value, high: high?.[i] ?? value }];
  });
  const path = (values: readonly (readonly [number, number])[]): string =>
    values.map(([at, value], i) => `${i === 0 ? 'M' : 'L'}${px(at).toFixed(1)} ${py(value).toFixed(1)}`).join('');
  const upper = points.map(({ at, high }) => [at, high] as const);
  const lower = points.map(({ at, low }) => [at, low] as const).toReversed();
  return (
    <g class={`band line-${line}`} data-band={label} data-points={points.length}>
      {low === undefined || points.length < 2 ? null : <path class="between" d={`${path([...upper, ...lower])}Z`} />}
      <path class="mid" d={path(points.map(({ at, value }) => [at, value] as const))} />
      {points.length > mostDots
        ? null
        : points.map((point) => (
            <g key={point.at}>
              {low === undefined || points.length > 1 ? null : (
                <line x1={px(point.at)} x2={px(point.at)} y1={py(point.low)} y2={py(point.high)} />
              )}
              <circle cx={px(point.at)} cy={py(point.value)} r="2.5">
                <title>
                  {`${label}, ${formatX(point.at)}: ${figure(point.value)} (${figure(point.low)} to ${figure(point.high)})`}
                </title>
              </circle>
            </g>
          ))}
    </g>
  );
}

/** The newest value of each in words. */
function Legend({ bands }: { bands: readonly Band[] }): VNode {
  return (
    <ul class="plain legend">
      {bands.map(({ label, line, mid, low, high }) => {
        const i = mid.findLastIndex((value) => value !== null);
        const interval = low === undefined ? '' : ` (${figure(low[i] ?? NaN)} to ${figure(high?.[i] ?? NaN)})`;
        return (
          <li class={`line-${line}`} key={label}>
            {label} <b>{i < 0 ? '–' : `${figure(mid[i]!)}${interval}`}</b>
          </li>
        );
      })}
    </ul>
  );
}

function useWidth(holder: { current: HTMLDivElement | null }): number {
  const [width, setWidth] = useState(600);
  useEffect(() => {
    const element = holder.current!;
    const measure = (): void => setWidth(Math.max(220, element.clientWidth - 16));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  return width;
}

/** All estimates and marks, the bounds of the second half, and those before that are not much wider; a tenth more on both sides. */
function rangeOf(bands: readonly Band[], marks: readonly Mark[]): [number, number] {
  const half = (values: Values = []): Values => values.slice(Math.floor(values.length / 2));
  const needed = numbersOf(bands.flatMap(({ mid, low, high }) => [...mid, ...half(low), ...half(high)]));
  const [from, to] = extentOf([...needed, ...marks.map(({ value }) => value)]);
  const near = (value: number): boolean => value > from - (to - from) / 2 && value < to + (to - from) / 2;
  const bounds = numbersOf(bands.flatMap(({ low = [], high = [] }) => [...low, ...high])).filter(near);
  const [low, high] = extentOf([from, to, ...bounds]);
  const pad = high === low ? Math.abs(high) / 10 || 1 : (high - low) / 10;
  return [low - pad, high + pad];
}

function numbersOf(values: Values): number[] {
  return values.filter((value) => value !== null);
}

function extentOf(values: readonly number[]): [number, number] {
  return values.length === 0 ? [0, 1] : [Math.min(...values), Math.max(...values)];
}

/** About five round numbers between. */
function ticksOf(from: number, to: number): number[] {
  const rough = (to - from) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= rough)!;
  const first = Math.ceil(from / step);
  return Array.from({ length: Math.floor(to / step) - first + 1 }, (_, i) => (first + i) * step);
}

type Anchor = 'start' | 'middle' | 'end';

/** First, last and, where there is room, the middle one. */
function placesOf(x: readonly number[], width: number): { value: number; anchor: Anchor }[] {
  const [first, last, middle] = [x[0], x.at(-1), x[Math.floor(x.length / 2)]];
  if (first === undefined || last === undefined) return [];
  if (x.length === 1) return [{ value: first, anchor: 'middle' }];
  const ends: { value: number; anchor: Anchor }[] = [
    { value: first, anchor: 'start' },
    { value: last, anchor: 'end' },
  ];
  return x.length > 2 && width > 560 ? [...ends, { value: middle!, anchor: 'middle' }] : ends;
}
