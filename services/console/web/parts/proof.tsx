import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import type { ProofView } from '../../views/audit.view.js';
import { recompute } from '../merkle.js';
import { hrefOf } from '../route.js';
import { Asked } from './asked.js';
import { Badge } from './badge.js';
import { count } from './format.js';
import { ErrorBox, Loading } from './states.js';

/** That one entry is in the log under its root, step by step, recomputed here. */
export function Proof({ index }: { index: number }): VNode {
  return (
    <section class="card" aria-label={`Proof of entry ${index}`}>
      <Asked<ProofView> path={`/api/audit/proof?index=${index}`} what="the proof">
        {(proof) => <Recomputed proof={proof} />}
      </Asked>
      <a href={hrefOf('/audit')}>Close</a>
    </section>
  );
}

type Result = { readonly found?: Awaited<ReturnType<typeof recompute>>; readonly error?: Error };

function Recomputed({ proof }: { proof: ProofView }): VNode {
  const [{ found, error }, setResult] = useState<Result>({});
  useEffect(() => {
    recompute(proof).then(
      (found) => setResult({ found }),
      (error: Error) => setResult({ error }),
    );
  }, [proof]);
  if (error !== undefined) return <ErrorBox error={error} />;
  if (found === undefined) return <Loading what="the browser to compute" />;
  return (
    <>
      <h2>
        Proof of entry {proof.index} among {count(proof.size)}{' '}
        <Badge text={found.holds ? 'proved' : 'does not hold'} tone={found.holds ? 'good' : 'bad'} />
      </h2>
      <p class="quiet">Recomputed by this browser from the entry's bytes, as RFC 9162 section 2.1.3.2 says.</p>
      <details>
        <summary>The bytes that are hashed</summary>
        <pre>{proof.leaf}</pre>
      </details>
      <ol class="path">
        <li>
          <span>SHA-256(00 ‖ entry)</span>
          <code>{found.leafHash}</code>
        </li>
        {found.steps.map(({ side, sibling, hash }) => (
          <li>
            <span>{side === 'left' ? 'with, on its left,' : 'with, on its right,'}</span>
            <code class="quiet">{sibling}</code>
            <span>is</span>
            <code>{hash}</code>
          </li>
        ))}
      </ol>
      <p>
        The signed root is <code>{proof.root}</code>: {found.holds ? 'the same.' : 'another one.'}
      </p>
    </>
  );
}
