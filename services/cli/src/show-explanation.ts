import { print, printJson, printTable } from './output.js';

/** Why a model answered as it did. */
export interface ShownExplanation {
  readonly endpoint: string;
  readonly version: string;
  readonly predictionId: string;
  readonly score: number;
  /** tree-shap (exact) or permutation-shap (sampled). */
  readonly by: string;
  readonly baseValue: number;
  readonly contributions: readonly ShownContribution[];
}

export interface ShownContribution {
  readonly feature: string;
  /** Undefined = not known here; null = the feature has none. */
  readonly value?: number | null;
  readonly contribution: number;
}

const barWidth = 24;

/** What contributes most comes first. Bars to the right raise the margin, bars to the left lower it; the longest is 24 characters. */
export function showExplanation(explanation: ShownExplanation, options: { readonly json?: boolean }): void {
  const { contributions, baseValue, ...rest } = explanation;
  const sorted = contributions.toSorted((a, b) => Math.abs(b.contribution) - Math.abs(a.contribution));
  const margin = sorted.reduce((sum, { contribution }) => sum + contribution, baseValue);
  if (options.json) return printJson({ ...rest, baseValue, margin, contributions: sorted });
  const largest = Math.abs(sorted[0]?.contribution ?? 0);
  const hasValues = sorted.some(({ value }) => value !== undefined);
  const rows = sorted.map(({ feature, value, contribution }) => [
    feature,
    ...(hasValues ? [value] : []),
    signed(contribution),
    barOf(contribution, largest),
  ]);
  printTable(['FEATURE', ...(hasValues ? ['VALUE'] : []), 'MOVES IT BY', ''], rows, 'no features');
  print('');
  const { endpoint, version, score, by } = rest;
  print(
    `${endpoint} version ${version} answered ${score.toFixed(4)}: ${baseValue.toFixed(4)} of an average row, moved to ${margin.toFixed(4)} by the above (${by})`,
  );
}

function signed(value: number): string {
  return `${value < 0 ? '-' : '+'}${Math.abs(value).toFixed(4)}`;
}

function barOf(value: number, largest: number): string {
  const length = largest === 0 ? 0 : Math.round((barWidth * Math.abs(value)) / largest);
  const bar = '#'.repeat(length);
  return value < 0 ? `${bar.padStart(barWidth)}|` : `${' '.repeat(barWidth)}|${bar}`;
}
