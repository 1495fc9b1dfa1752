import type { MetricFamilies } from '#libs/telemetry/merge-metrics.js';

/** What one of several processes tells their primary. */
export type FromProcess =
  /** Several times a second, so that it is a sign of life too. Reasons why it is not ready, by dependency. */
  | { readonly kind: 'state'; readonly reasons: Readonly<Record<string, string>> }
  | { readonly kind: 'metrics'; readonly id: number; readonly families: MetricFamilies }
  /** Whoever is asked for metrics answers with those of all. */
  | { readonly kind: 'all-metrics-wanted'; readonly id: number };

/** What the primary tells a process. */
export type ToProcess =
  /** Why others are not ready, by process. */
  | { readonly kind: 'others'; readonly reasons: Readonly<Record<string, string>> }
  | { readonly kind: 'metrics-wanted'; readonly id: number }
  | { readonly kind: 'all-metrics'; readonly id: number; readonly text: string };
