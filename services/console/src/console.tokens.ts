/** What Nest injects by name, for these have no class. */
export const ConsoleMetricsToken = Symbol('ConsoleMetrics');
