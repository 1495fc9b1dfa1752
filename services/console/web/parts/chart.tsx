import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type uPlot from 'uplot';
import { ErrorBox } from './states.js';

export interface Line {
  readonly label: string;
  /** A custom property of the style: --line-1 … --line-4. */
  readonly colour: string;
  readonly values: readonly (number | null)[];
  readonly format?: (value: number) => string;
}

interface ChartProps {
  /** Says what is shown, for who does not see it. */
  readonly label: string;
  /** Epoch seconds where `time`, else any ascending numbers. */
  readonly x: readonly number[];
  readonly lines: readonly Line[];
  readonly time?: boolean;
  readonly height?: number;
}

/** Half of all the page's bytes: asked for when the first chart is drawn. */
let library: Promise<typeof uPlot> | undefined;

function useLibrary(): { draw?: typeof uPlot; error?: Error } {
  const [found, setFound] = useState<{ draw?: typeof uPlot; error?: Error }>({});
  useEffect(() => {
    library ??= import('uplot').then((module) => module.default);
    library.then(
      // In a box: a state that is a function would be called.
      (draw) => setFound({ draw }),
      (error: Error) => setFound({ error }),
    );
  }, []);
  return found;
}

/** Lines over x, with a legend that says the values under the pointer. Follows its width and the theme. */
export function Chart({ label, x, lines, time = true, height = 160 }: ChartProps): VNode {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const { draw: Plot, error } = useLibrary();
  const data = [x, ...lines.map(({ values }) => values)] as unknown as uPlot.AlignedData;
  const shape = lines.map((line) => line.label).join('\n');
  useEffect(() => {
    const element = holder.current;
    if (Plot === undefined || element === null) return undefined;
    const draw = (): void => {
      plot.current?.destroy();
      plot.current = new Plot(optionsOf(lines, time, element.clientWidth || 300, height), data, element);
    };
    draw();
    const observer = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    addEventListener('themechange', draw);
    return () => {
      observer.disconnect();
      removeEventListener('themechange', draw);
      plot.current?.destroy();
    };
  }, [Plot, shape, time, height]);
  useEffect(() => plot.current?.setData(data), [data]);
  if (error !== undefined) return <ErrorBox error={error} />;
  return <div class="chart" role="img" aria-label={label} ref={holder} />;
}

/** 18:43:07, here; at is epoch seconds. */
function clock(at: number): string {
  return new Date(at * 1_000).toTimeString().slice(0, 8);
}

function optionsOf(lines: readonly Line[], time: boolean, width: number, height: number): uPlot.Options {
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const axis: uPlot.Axis = {
    stroke: colour('--quiet'),
    grid: { stroke: colour('--rule'), width: 1 },
    ticks: { stroke: colour('--rule'), width: 1 },
    font: '11px system-ui, sans-serif',
  };
  return {
    width,
    height,
    scales: { x: { time }, y: { range: (_plot, _low, high) => [0, Math.max(1, high * 1.1)] } },
    axes: [time ? { ...axis, values: (_plot, ticks) => ticks.map(clock) } : axis, { ...axis, size: 60 }],
    cursor: { drag: { x: false, y: false } },
    series: [
      time ? { label: 'time', value: (_plot, at) => (at === null ? '–' : clock(at)) } : { label: 'x' },
      ...lines.map(({ label, colour: name, format }) => ({
        label,
        stroke: colour(name),
        width: 1.5,
        points: { show: false },
        value: (_plot: uPlot, value: number | null) => (value === null ? '–' : (format ?? String)(value)),
      })),
    ],
  };
}
