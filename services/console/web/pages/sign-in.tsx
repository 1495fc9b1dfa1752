import type { TargetedSubmitEvent, VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { SessionView } from '../../views/session.view.js';
import { signIn } from '../session.js';

/** A token, typed or pasted; it is sent once and kept nowhere in the browser. */
export function SignIn({ why, onSignedIn }: { why: string; onSignedIn: (session: SessionView) => void }): VNode {
  const [problem, setProblem] = useState(why);
  const [busy, setBusy] = useState(false);
  const submit = async (event: TargetedSubmitEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault();
    const token = new FormData(event.currentTarget).get('token') as string;
    setBusy(true);
    try {
      onSignedIn(await signIn(token));
    } catch (error) {
      setProblem((error as Error).message);
      setBusy(false);
    }
  };
  return (
    <main class="alone">
      <h1>Millrace</h1>
      <form class="card sign-in" onSubmit={(event) => void submit(event)}>
        <label for="token">API token</label>
        <input id="token" name="token" type="password" autocomplete="off" required aria-describedby="how" autofocus />
        <button type="submit" class="primary" disabled={busy}>
          Sign in
        </button>
        {problem === '' ? null : (
          <p role="alert" class="problem">
            {problem}
          </p>
        )}
        <p id="how" class="quiet">
          <code>npx millrace console</code> prints an address that signs you in.
        </p>
      </form>
    </main>
  );
}
