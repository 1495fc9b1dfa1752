import type { VNode } from 'preact';
import type { RunDetailView } from '../../views/models.view.js';
import { Asked } from './asked.js';
import { duration, figure } from './format.js';

interface Row {
  readonly group: string;
  readonly name: string;
  readonly cells: readonly string[];
}

/** Runs side by side: what differs from the first is marked, and said. */
export function RunComparison({ ids }: { ids: readonly string[] }): VNode {
  return (
    <Asked<RunDetailView[]> path={`/api/models/compare?ids=${encodeURIComponent(ids.join(','))}`} what="these runs">
      {(runs) => <SideBySide runs={runs} />}
    </Asked>
  );
}

function SideBySide({ runs }: { runs: readonly RunDetailView[] }): VNode {
  const rows = rowsOf(runs);
  const differing = rows.filter(({ cells }) => new Set(cells).size > 1).length;
  return (
    <>
      <h2>Side by side</h2>
      <p class="quiet">
        {differing} of {rows.length} rows differ; ≠ marks what is not as in the first run.
      </p>
      <div class="scroll" role="region" aria-label="Runs side by side" tabIndex={0}>
        <table>
          <caption class="unseen">Runs side by side</caption>
          <thead>
            <tr>
              <th scope="col" />
              {runs.map(({ runId }) => (
                <th scope="col" key={runId}>
                  <code>{runId.slice(0, 12)}</code>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map(({ group, name, cells }) => (
              <tr key={`${group} ${name}`}>
                <th scope="row">
                  {group === '' ? null : <span class="quiet">{group} </span>}
                  <span>{name}</span>
                </th>
                {cells.map((text, i) => (
                  <td class={text === cells[0] ? undefined : 'differs'} key={runs[i]!.runId}>
                    {text === cells[0] ? null : <abbr title="differs from the first">≠ </abbr>}
                    {text || '–'}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  );
}

function rowsOf(runs: readonly RunDetailView[]): Row[] {
  const fact = (name: string, of: (run: RunDetailView) => string): Row => ({ group: '', name, cells: runs.map(of) });
  return [
    fact('state', ({ state }) => state),
    fact('version', ({ version }) => version),
    fact('reason', ({ reason }) => reason),
    fact('took', ({ durationMs }) => duration(durationMs)),
    fact('gates', ({ gates }) => gates),
    fact('problem', ({ error }) => error),
    fact('pipeline', ({ pipeline }) => pipeline),
    fact('training set', ({ datasetSha256 }) => datasetSha256.slice(0, 12)),
    fact('commit', ({ codeCommit }) => codeCommit.slice(0, 12)),
    ...named('param', runs, ({ params }) => params),
    ...named('metric', runs, ({ metrics }) =>
      Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, figure(value)])),
    ),
  ];
}

function named(
  group: string,
  runs: readonly RunDetailView[],
  of: (run: RunDetailView) => Readonly<Record<string, string>>,
): Row[] {
  const names = [...new Set(runs.flatMap((run) => Object.keys(of(run))))].sort();
  return names.map((name) => ({ group, name, cells: runs.map((run) => of(run)[name] ?? '') }));
}
