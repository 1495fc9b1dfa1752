/**
 * Counts of values between edges. counts[0] = below edges[0]; counts[i] = edges[i-1] <= x < edges[i]; counts[edges.length] = edges[last] <= x.
 * Edges are ascending and distinct; nulls (NaN) are apart.
 */
export interface Histogram {
  readonly edges: ArrayLike<number>;
  /** edges.length + 1 */
  readonly counts: ArrayLike<number>;
  readonly nulls: number;
}

export const maxEdges = 255;

/**
 * At most 255 distinct edges: every distinct value where there are so few, so that the histogram loses nothing; else quantiles of equal share, minimum and maximum among
 * them. Edges by quantile keep the resolution where the values are, whatever their scale. No values but NaN give no edges.
 * @param values any; NaN = null, left out
 */
export function quantileEdges(values: ArrayLike<number>): Float64Array {
  const sorted = finite(values).sort();
  const distinct = new Set<number>();
  for (let i = 0; i < sorted.length && distinct.size <= maxEdges; i += 1) distinct.add(sorted[i]!);
  if (distinct.size <= maxEdges) return Float64Array.from(distinct);
  const last = maxEdges - 1;
  const quantiles = Float64Array.from(
    { length: maxEdges },
    (_, i) => sorted[Math.floor((i * (sorted.length - 1)) / last)]!,
  );
  return quantiles.filter((edge, i) => i === 0 || edge !== quantiles[i - 1]);
}

/** Values counted over the edges, by binary search. No values give counts of 0. @param values any; NaN = null */
export function histogramOf(values: ArrayLike<number>, edges: ArrayLike<number>): Histogram {
  const counts = new Float64Array(edges.length + 1);
  let nulls = 0;
  for (let i = 0; i < values.length; i += 1) {
    const value = values[i]!;
    if (Number.isNaN(value)) nulls += 1;
    else counts[binOf(value, edges)]! += 1;
  }
  return { edges, counts, nulls };
}

/** How many edges are at or below the value: its index in Histogram.counts. */
export function binOf(value: number, edges: ArrayLike<number>): number {
  let [low, high] = [0, edges.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (edges[middle]! <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Rows that are not null. */
export function rowsOf({ counts }: Histogram): number {
  let rows = 0;
  for (let i = 0; i < counts.length; i += 1) rows += counts[i]!;
  return rows;
}

/**
 * Both histograms over at most `groups` bins of about equal share of the reference, and the nulls as a bin of their own where either has some. Few bins, as what PSI and
 * JS show without any drift grows with their number.
 */
export function coarsen(
  reference: Histogram,
  current: Histogram,
  groups = 10,
): { reference: Float64Array; current: Float64Array } {
  const total = rowsOf(reference);
  const [left, right] = [new Map<number, number>(), new Map<number, number>()];
  let before = 0;
  for (let i = 0; i < reference.counts.length; i += 1) {
    const group = total === 0 ? 0 : Math.min(groups - 1, Math.floor((groups * before) / total));
    left.set(group, (left.get(group) ?? 0) + reference.counts[i]!);
    right.set(group, (right.get(group) ?? 0) + current.counts[i]!);
    before += reference.counts[i]!;
  }
  const hasNulls = reference.nulls + current.nulls > 0;
  return {
    reference: Float64Array.from(hasNulls ? [...left.values(), reference.nulls] : left.values()),
    current: Float64Array.from(hasNulls ? [...right.values(), current.nulls] : right.values()),
  };
}

export function finite(values: ArrayLike<number>): Float64Array {
  return Float64Array.from(values).filter((value) => !Number.isNaN(value));
}
