import type { VNode } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { SessionView } from '../views/session.view.js';
import { whenSignedOut } from './api.js';
import { useLive } from './live.js';
import { pages } from './pages.js';
import { SignIn } from './pages/sign-in.js';
import { ErrorBox, Loading } from './parts/states.js';
import { useRoute } from './route.js';
import { signOut, whoIsSignedIn } from './session.js';
import { theme, toggleTheme } from './theme.js';

type Who =
  | { state: 'asking' }
  | { state: 'out'; why: string }
  | { state: 'in'; session: SessionView }
  | { state: 'failed'; error: Error };

/** Who is signed in decides what there is: the sign-in form, or the navigation and a page. */
export function Shell({ refused }: { refused: string }): VNode {
  const [who, setWho] = useState<Who>({ state: 'asking' });
  const ask = (): void => {
    setWho({ state: 'asking' });
    whoIsSignedIn().then(
      (session) => setWho(session === undefined ? { state: 'out', why: refused } : { state: 'in', session }),
      (error: Error) => setWho({ state: 'failed', error }),
    );
  };
  useEffect(ask, []);
  useEffect(() => whenSignedOut(() => setWho({ state: 'out', why: 'Your session has ended.' })), []);
  if (who.state === 'asking')
    return (
      <main class="alone">
        <Loading what="who you are" />
      </main>
    );
  if (who.state === 'failed')
    return (
      <main class="alone">
        <ErrorBox error={who.error} onRetry={ask} />
      </main>
    );
  if (who.state === 'out') return <SignIn why={who.why} onSignedIn={(session) => setWho({ state: 'in', session })} />;
  return <SignedIn session={who.session} onSignedOut={() => setWho({ state: 'out', why: '' })} />;
}

function SignedIn({ session, onSignedOut }: { session: SessionView; onSignedOut: () => void }): VNode {
  const route = useRoute();
  const shown = useRef<string>(undefined);
  const page = pages.find(({ path }) => path === route.path);
  // With the page and not after its next frame: whoever has focused something on it by then would be taken away from it again.
  useLayoutEffect(() => {
    document.title = `${page?.title ?? 'Not found'} · Millrace`;
    // Who goes to another page is taken to its beginning; who just came is left where the browser begins.
    if (shown.current !== undefined && shown.current !== route.path) document.getElementById('main')?.focus();
    shown.current = route.path;
  }, [route.path]);
  return (
    <>
      <a class="skip" href="#main" onClick={skipToMain}>
        Skip to content
      </a>
      <header class="top">
        <a class="brand" href="#/mesh">
          Millrace
        </a>
        <nav aria-label="Pages">
          {pages.map(({ path, nav }) =>
            nav === undefined ? null : (
              <a href={`#${path}`} aria-current={path === route.path ? 'page' : undefined}>
                {nav}
              </a>
            ),
          )}
        </nav>
        <Account session={session} onSignedOut={onSignedOut} />
      </header>
      <main id="main" tabIndex={-1}>
        <h1>{page?.title ?? 'Not found'}</h1>
        {page === undefined ? <p>There is no page {route.path}.</p> : page.render(route)}
      </main>
    </>
  );
}

function Account({ session, onSignedOut }: { session: SessionView; onSignedOut: () => void }): VNode {
  const { connected } = useLive();
  const [dark, setDark] = useState(theme() === 'dark');
  const leave = async (): Promise<void> => {
    await signOut().catch(() => undefined); // a session that cannot be ended here ends by itself
    onSignedOut();
  };
  return (
    <div class="account">
      <span class={connected ? 'live on' : 'live'} role="status">
        {connected ? 'live' : 'not live'}
      </span>
      <span title={session.roles.join(', ') || 'no role'}>{session.name}</span>
      <button
        type="button"
        onClick={() => {
          toggleTheme();
          setDark(!dark);
        }}
      >
        {dark ? 'Light' : 'Dark'}
      </button>
      <button type="button" onClick={() => void leave()}>
        Sign out
      </button>
    </div>
  );
}

/** The fragment of the address is the page: the link moves the focus and leaves it alone. */
function skipToMain(event: Event): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}
