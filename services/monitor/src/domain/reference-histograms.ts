import { finite, type Histogram, histogramOf, quantileEdges } from '#libs/numeric/drift/histogram.js';

/** What one column of the logged vector looked like where the model was trained. */
export interface FeatureReference extends Histogram {
  readonly feature: string;
  /** Place in the logged vector, from 1; 0 = the score. */
  readonly position: number;
  /** Standard deviation, of all values (not of a sample); NaN without values. */
  readonly deviation: number;
}

/** @param values of the training rows; NaN = null */
export function referenceOf(feature: string, position: number, values: ArrayLike<number>): FeatureReference {
  return { feature, position, deviation: deviationOf(finite(values)), ...histogramOf(values, quantileEdges(values)) };
}

/**
 * Where a version's features stand in the logged vector, which has every feature of the service in the order of the training set's columns.
 * @throws Error naming a feature that the training set does not have
 */
export function positionsOf(columns: readonly string[], features: readonly string[]): Map<string, number> {
  const vector = columns.slice(0, columns.indexOf('label'));
  return new Map(
    features.map((feature) => {
      const at = vector.indexOf(feature);
      if (at < 0) throw new Error(`feature "${feature}" is no column of the training set, which has ${vector.join()}`);
      return [feature, at + 1];
    }),
  );
}

function deviationOf(values: Float64Array): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}
