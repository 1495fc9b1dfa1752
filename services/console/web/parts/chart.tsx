import type { VNode } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';

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

/** Lines over x, with a legend that says the values under the pointer. Follows its width and the theme. */
export function Chart({ label, x, lines, time = true, height = 160 }: ChartProps): VNode {
  const holder = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot>(undefined);
  const data = [x, ...lines.map(({ values }) => values)] as unknown as uPlot.AlignedData;
  const shape = lines.map((line) => line.label).join('\n');
  useEffect(() => {
    const element = holder.current!;
    const draw = (): void => {
      plot.current?.destroy();
      plot.current = new uPlot(optionsOf(lines, time, element.clientWidth || 300, height), data, element);
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
  }, [shape, time, height]);
  useEffect(() => plot.current?.setData(data), [data]);
  return <div class="chart" role="img" aria-label={label} ref={holder} />;
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
    axes: [axis, { ...axis, size: 48 }],
    cursor: { drag: { x: false, y: false } },
    series: [
      {},
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
