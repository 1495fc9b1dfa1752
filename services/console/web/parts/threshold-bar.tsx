import type { VNode } from 'preact';

interface ThresholdBarProps {
  readonly value: number | null;
  readonly threshold: number | null;
  /** At the right end. */
  readonly most: number;
  readonly over: boolean;
}

const [width, height] = [140, 14];

/** A value as a bar with its threshold as a line across; the numbers stand beside it. */
export function ThresholdBar({ value, threshold, most, over }: ThresholdBarProps): VNode {
  const at = (number: number): number => Math.max(0, Math.min(1, number / most)) * width;
  return (
    <svg class="threshold-bar" width={width} height={height} viewBox={`0 0 ${width} ${height}`} aria-hidden="true">
      <rect class="ground" y="2" width={width} height={height - 4} rx="2" />
      <rect class={over ? 'over' : 'under'} y="2" width={at(value ?? 0)} height={height - 4} rx="2" />
      {threshold === null ? null : <line x1={at(threshold)} x2={at(threshold)} y1="0" y2={height} />}
    </svg>
  );
}
