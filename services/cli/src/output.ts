/** Set once by --json: machines get one JSON value on stdout, people get aligned columns. */
export interface OutputOptions {
  readonly json?: boolean;
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Left-aligned columns under upper-case headings, as kubectl prints them; no rows prints what there is none of. */
export function printTable(headings: readonly string[], rows: readonly (readonly unknown[])[], none: string): void {
  if (rows.length === 0) return print(none);
  const texts = [headings, ...rows.map((row) => row.map(cell))];
  const widths = headings.map((_, column) => Math.max(...texts.map((row) => (row[column] ?? '').length)));
  for (const row of texts)
    print(
      row
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join('   ')
        .trimEnd(),
    );
}

function cell(value: unknown): string {
  if (value === undefined || value === null || value === '') return '-';
  if (typeof value === 'number') return Number.isInteger(value) ? String(value) : value.toPrecision(5);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
