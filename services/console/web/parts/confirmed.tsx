import type { VNode } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { ApiError } from '../api.js';

interface ConfirmedProps {
  /** On the button that asks, and on the one that does it. */
  readonly action: string;
  readonly title: string;
  /** What will happen. */
  readonly text: string;
  readonly field: string;
  readonly required: boolean;
  readonly primary?: boolean;
  /** @param text what was written. A rejection is shown, and the dialog stays. */
  readonly onConfirm: (text: string) => Promise<void>;
}

/** A button whose action is asked about first, with words that are kept. The dialog is the browser's own: Escape closes it, and the focus goes back to the button. */
export function Confirmed({ action, title, text, field, required, primary, onConfirm }: ConfirmedProps): VNode {
  const [open, setOpen] = useState(false);
  return (
    <>
      <button type="button" class={primary ? 'primary' : undefined} onClick={() => setOpen(true)}>
        {action}
      </button>
      {open ? <Dialog {...{ action, title, text, field, required, onConfirm }} onClose={() => setOpen(false)} /> : null}
    </>
  );
}

function Dialog(props: Omit<ConfirmedProps, 'primary'> & { onClose: () => void }): VNode {
  const { action, title, text, field, required, onConfirm, onClose } = props;
  const dialog = useRef<HTMLDialogElement>(null);
  const [words, setWords] = useState('');
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<Error>();
  useLayoutEffect(() => dialog.current?.showModal(), []);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(undefined);
    try {
      await onConfirm(words.trim());
      dialog.current?.close();
    } catch (failure) {
      setError(failure as Error);
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} aria-label={title} onClose={onClose}>
      <form onSubmit={(event) => void submit(event)}>
        <h2>{title}</h2>
        <p>{text}</p>
        <label>
          {field}
          <textarea
            required={required}
            maxLength={1_000}
            rows={3}
            value={words}
            onInput={(event) => setWords(event.currentTarget.value)}
          />
        </label>
        {error === undefined ? null : <Refused error={error} />}
        <div class="buttons">
          <button type="submit" class="primary" disabled={busy}>
            {action}
          </button>
          <button type="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
        </div>
      </form>
    </dialog>
  );
}

function Refused({ error }: { error: Error }): VNode {
  const code = error instanceof ApiError ? error.code : 'internal';
  const title = code === 'permission-denied' ? 'You may not do this' : 'That was not done';
  return (
    <div class="error" role="alert" data-code={code}>
      <strong>{title}</strong> <span>{error.message}</span>
    </div>
  );
}
