import type { ComponentChildren, VNode } from 'preact';
import { Empty } from './states.js';

export interface Column<R> {
  readonly title: string;
  readonly cell: (row: R) => ComponentChildren;
  /** Numbers stand right and under each other. */
  readonly number?: boolean;
}

interface TableProps<R> {
  /** Read out before the table; not seen where a heading says it. */
  readonly caption: string;
  readonly columns: readonly Column<R>[];
  readonly rows: readonly R[];
  readonly rowKey: (row: R) => string;
  readonly none: string;
}

/** Rows under headings; on a narrow screen it scrolls by itself, within the page. */
export function Table<R>({ caption, columns, rows, rowKey, none }: TableProps<R>): VNode {
  if (rows.length === 0) return <Empty>{none}</Empty>;
  return (
    <div class="scroll" role="region" aria-label={caption} tabIndex={0}>
      <table>
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map(({ title, number }) => (
              <th scope="col" class={number ? 'number' : undefined}>
                {title}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={rowKey(row)}>
              {columns.map(({ cell, number }, i) =>
                i === 0 ? (
                  <th scope="row" class={number ? 'number' : undefined}>
                    {cell(row)}
                  </th>
                ) : (
                  <td class={number ? 'number' : undefined}>{cell(row)}</td>
                ),
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
