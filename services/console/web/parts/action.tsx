import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import { ErrorBox } from './states.js';

interface ActionProps<T> {
  readonly title: string;
  /** While it runs. */
  readonly busy: string;
  readonly run: () => Promise<T>;
  readonly children: (value: T) => VNode;
}

/** A button, and under it what came of it: the answer, or why there is none. */
export function Action<T>({ title, busy, run, children }: ActionProps<T>): VNode {
  const [state, setState] = useState<{ running: boolean; value?: T; error?: Error }>({ running: false });
  const start = (): void => {
    setState({ running: true });
    run().then(
      (value) => setState({ running: false, value }),
      (error: Error) => setState({ running: false, error }),
    );
  };
  return (
    <>
      <button type="button" class="primary" disabled={state.running} onClick={start}>
        {state.running ? busy : title}
      </button>
      {state.error === undefined ? null : <ErrorBox error={state.error} onRetry={start} />}
      <div aria-live="polite">{state.value === undefined ? null : children(state.value)}</div>
    </>
  );
}
