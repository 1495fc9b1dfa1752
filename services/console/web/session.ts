import type { SessionView } from '../views/session.view.js';
import { ApiError, getJson, sendJson } from './api.js';

/** Exchanges `#token=…` of the address for a session, and takes it out of the address and the history. Returns why that failed; '' = it did not, or there was none. */
export async function signInByFragment(): Promise<string> {
  const token = /^#token=(.+)$/.exec(location.hash)?.[1];
  if (token === undefined) return '';
  history.replaceState(null, '', '/');
  try {
    await signIn(decodeURIComponent(token));
    return '';
  } catch (error) {
    return (error as Error).message;
  }
}

export function signIn(token: string): Promise<SessionView> {
  return sendJson<SessionView>('POST', '/api/session', { token });
}

export async function signOut(): Promise<void> {
  await sendJson('DELETE', '/api/session');
}

/** Undefined = nobody is signed in. @throws ApiError where that cannot be found out */
export async function whoIsSignedIn(): Promise<SessionView | undefined> {
  try {
    return await getJson<SessionView>('/api/session');
  } catch (error) {
    if (error instanceof ApiError && error.code === 'unauthenticated') return undefined;
    throw error;
  }
}
