/** What the server answered that is not what was asked for; `code` is of the mesh's closed list, or `unreachable`. */
export class ApiError extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

const usualTimeoutMs = 15_000;
type Listener = () => void;
const onSignedOut = new Set<Listener>();

/** Calls `listener` when an answer says that the session has ended. Returns what ends that. */
export function whenSignedOut(listener: Listener): () => void {
  onSignedOut.add(listener);
  return () => onSignedOut.delete(listener);
}

/** Says that the session has ended. */
export function signedOut(): void {
  for (const listener of onSignedOut) listener();
}

/** JSON of /api. @throws ApiError, after 15 s at the latest */
export async function getJson<T>(path: string): Promise<T> {
  return (await call('GET', path)) as T;
}

/** A call that changes something. @throws ApiError */
export async function sendJson<T>(
  method: 'POST' | 'DELETE',
  path: string,
  body?: object,
  timeoutMs?: number,
): Promise<T> {
  return (await call(method, path, body, timeoutMs)) as T;
}

async function call(method: string, path: string, body?: object, timeoutMs = usualTimeoutMs): Promise<unknown> {
  const headers: Record<string, string> = method === 'GET' ? {} : { 'x-millrace-console': '1' };
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      headers,
      signal: AbortSignal.timeout(timeoutMs),
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  } catch (error) {
    const late = (error as Error).name === 'TimeoutError';
    throw new ApiError(
      late ? 'deadline-exceeded' : 'unreachable',
      late ? `no answer within ${timeoutMs / 1_000} s` : 'the console does not answer; is the mesh running?',
    );
  }
  const answer = (await response.json().catch(() => undefined)) as { error?: { code: string; message: string } };
  if (response.ok) return answer;
  const code = answer?.error?.code ?? 'internal';
  if (code === 'unauthenticated' && !path.startsWith('/api/session')) signedOut();
  throw new ApiError(code, answer?.error?.message ?? `HTTP ${response.status}`);
}
