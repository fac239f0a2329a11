/**
 * The confirmation of everything that changes something: what it does, the command line that it
 * stands for, and why it did not work if it did not.
 */
/** @jsx h */
import { type ComponentChildren, h, useState } from "../packages/preact.ts";
import { RequestFailure } from "../data/api.ts";
import { reloadAll } from "../data/live.ts";
import { notify, type PageNotice } from "../data/notices.ts";
import { Copyable } from "./copyable.tsx";
import { Dialog } from "./dialog.tsx";
import { FailureText } from "./failure.tsx";

/** What to say afterwards. */
export interface ActResult {
  text: string;
  action?: PageNotice["action"];
}

interface ActDialogProps {
  title: string;
  /** The command line; absent: what is filled in does not make one yet. */
  command: string | undefined;
  /** On the button. */
  verb: string;
  danger?: boolean;
  /** False: the form is not complete. */
  isReady?: boolean;
  /** Carries it out. */
  act: () => Promise<ActResult | undefined>;
  onClose: () => void;
  children?: ComponentChildren;
  wide?: boolean;
}

/** Closes when it was done. */
export function ActDialog(props: ActDialogProps) {
  const { title, command, verb, danger, isReady = true, act, onClose, children, wide } = props;
  const [state, setState] = useState<{ isBusy: boolean; failure?: RequestFailure }>({
    isBusy: false,
  });
  const run = async () => {
    setState({ isBusy: true });
    try {
      const result = await act();
      if (result !== undefined) notify(result.text, { action: result.action });
      onClose();
      reloadAll();
    } catch (error) {
      if (!(error instanceof RequestFailure)) throw error;
      setState({ isBusy: false, failure: error });
      reloadAll();
    }
  };
  const { failure, isBusy } = state;
  return (
    <Dialog title={title} onClose={onClose} wide={wide}>
      <form
        method="dialog"
        onSubmit={(event) => {
          event.preventDefault();
          if (isReady && !isBusy) void run();
        }}
      >
        {children}
        {command === undefined ? null : <Copyable text={command} label="The command line" />}
        {failure === undefined
          ? null
          : <FailureText message={failure.message} hint={failure.hint} code={failure.code} />}
        <div class="dialog-foot">
          <button type="button" onClick={onClose}>Cancel</button>
          <button
            type="submit"
            class={danger ? "primary danger" : "primary"}
            disabled={!isReady || isBusy}
          >
            {isBusy ? "Working…" : verb}
          </button>
        </div>
      </form>
    </Dialog>
  );
}
