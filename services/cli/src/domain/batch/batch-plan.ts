import type { EndpointInputs } from './endpoint-inputs.js';
import type { RunColumns } from './run-columns.js';

export const inputFormats = ['jsonl', 'csv', 'parquet'] as const;
export type InputFormat = (typeof inputFormats)[number];
export const outputFormats = ['jsonl', 'csv'] as const;
export type OutputFormat = (typeof outputFormats)[number];

/** What a run was asked to do. */
export interface BatchOrder {
  readonly endpoint: string;
  /** Empty = whichever is live when a row is asked. */
  readonly version: string;
  readonly input: { readonly path: string; readonly format: InputFormat } | { readonly query: string };
  readonly output: { readonly path: string; readonly format: OutputFormat } | { readonly table: string };
  /** Undefined = all. */
  readonly keep?: readonly string[];
  readonly rowsPerRequest: number;
}

/** What is found once, at the first start, and held for all others. */
export interface BatchPlan {
  readonly order: BatchOrder;
  readonly inputs: EndpointInputs;
  readonly columns: RunColumns;
  /** Numbers of a vector, where rows have theirs; else 0. */
  readonly width: number;
  /** Of the file, or of what the query gave. */
  readonly inputSha256: string;
  readonly inputBytes: number;
  /** RFC 3339. */
  readonly startedAt: string;
  /** Of the blocks of a table, and of this beginning alone: a run that is begun anew inserts under another. */
  readonly token: string;
}

/**
 * What of an order is another than the run's that it would go on with; empty = nothing.
 * @param before of the run @param now of the command
 */
export function differencesOfOrders(before: BatchOrder, now: BatchOrder): string[] {
  const ordered = (order: BatchOrder): Record<string, unknown> => ({
    endpoint: order.endpoint,
    version: order.version,
    input: order.input,
    output: order.output,
    keep: order.keep,
    'rows per request': order.rowsPerRequest,
  });
  return differences(ordered(before), ordered(now));
}

/** What of the endpoint or the input is another than it was; empty = nothing. */
export function differencesOfPlans(
  before: Pick<BatchPlan, 'inputs' | 'inputSha256'>,
  now: Pick<BatchPlan, 'inputs' | 'inputSha256'>,
): string[] {
  return differences(
    { "the endpoint's inputs": before.inputs, "the input's SHA-256": before.inputSha256 },
    { "the endpoint's inputs": now.inputs, "the input's SHA-256": now.inputSha256 },
  );
}

function differences(before: Record<string, unknown>, now: Record<string, unknown>): string[] {
  return Object.keys(before)
    .filter((name) => JSON.stringify(before[name]) !== JSON.stringify(now[name]))
    .map((name) => `${name}: ${said(before[name])} before, ${said(now[name])} now`);
}

function said(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length <= 200 ? text : `${text.slice(0, 200)}...`;
}
