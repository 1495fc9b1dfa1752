import type { ComponentChildren, VNode } from 'preact';
import { ApiError } from '../api.js';

/** What is being waited for; the call behind it ends after 15 s at the latest. */
export function Loading({ what }: { what: string }): VNode {
  return (
    <p class="quiet" role="status">
      Asking for {what} …
    </p>
  );
}

/** Nothing is there, and that is an answer. */
export function Empty({ children }: { children: ComponentChildren }): VNode {
  return <p class="quiet">{children}</p>;
}

const titles: Record<string, string> = {
  'permission-denied': 'You may not see this',
  unavailable: 'A service does not answer',
  unreachable: 'The console does not answer',
  'deadline-exceeded': 'No answer in time',
  unimplemented: 'Not built yet',
};

/** What failed, in the words of who refused it, and a way to try again where that can help. */
export function ErrorBox({ error, onRetry }: { error: Error; onRetry?: () => void }): VNode {
  const code = error instanceof ApiError ? error.code : 'internal';
  const lasting = code === 'permission-denied' || code === 'unimplemented';
  return (
    <div class="error" role="alert" data-code={code}>
      <strong>{titles[code] ?? 'That failed'}</strong> <span>{error.message}</span>
      {lasting || onRetry === undefined ? null : (
        <button type="button" onClick={onRetry}>
          Try again
        </button>
      )}
    </div>
  );
}
