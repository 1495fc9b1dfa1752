const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i;

/** Epoch milliseconds of what a column of type timestamp takes: RFC 3339 with its zone, or whole epoch milliseconds; undefined for anything else. */
export function timestampMs(value: unknown): number | undefined {
  const ms =
    typeof value === 'string' && value.length <= 40 && rfc3339.test(value) ? Date.parse(value) : (value as number);
  return Number.isSafeInteger(ms) && Math.abs(ms) < 8.64e15 ? ms : undefined;
}
