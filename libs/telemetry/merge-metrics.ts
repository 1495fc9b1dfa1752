import { AggregatorRegistry, type Registry } from 'prom-client';

export type MetricFamilies = Awaited<ReturnType<Registry['getMetricsAsJSON']>>;

/**
 * One text of the metrics of several processes, each family once. Nothing is added up: each process's series have its label `process`, so that a counter which begins anew with its process is
 * seen to do so, and is not taken for a jump of the sum.
 * @param processes the families of each, with a label that the others' have not
 */
export function mergeMetrics(processes: readonly MetricFamilies[]): Promise<string> {
  const families = processes.map((one) => one.map((family) => ({ ...family, aggregator: 'sum' as const })));
  return AggregatorRegistry.aggregate(families as unknown as object[]).metrics();
}
