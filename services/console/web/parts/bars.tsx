import type { VNode } from 'preact';
import { count } from './format.js';

export interface Bar {
  readonly name: string;
  readonly value: number;
}

interface BarsProps {
  readonly caption: string;
  readonly bars: readonly Bar[];
  readonly format?: (value: number) => string;
}

/** Values beside each other, largest first; a list with numbers for who does not see it. */
export function Bars({ caption, bars, format = count }: BarsProps): VNode | null {
  if (bars.length === 0) return null;
  const most = Math.max(...bars.map(({ value }) => value), Number.MIN_VALUE);
  return (
    <ul class="bars" aria-label={caption}>
      {bars
        .toSorted((a, b) => b.value - a.value)
        .map(({ name, value }) => (
          <li key={name}>
            <span class="bar-name">{name}</span>
            <meter class="bar" min={0} max={most} value={value} aria-hidden="true" />
            <span class="number">{format(value)}</span>
          </li>
        ))}
    </ul>
  );
}
