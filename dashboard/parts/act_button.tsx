/** A button that opens the confirmation of an act. In read-only mode there is none. */
/** @jsx h */
/** @jsxFrag Fragment */
import { type ComponentChildren, Fragment, h, useState } from "../packages/preact.ts";
import { useSession } from "../data/session.ts";

/** `dialog` renders the confirmation, and calls what it is given when it is to be closed. */
export function ActButton(
  { label, dialog, danger, small, disabled, name }: {
    label: ComponentChildren;
    dialog: (close: () => void) => ComponentChildren;
    danger?: boolean;
    small?: boolean;
    disabled?: boolean;
    /** For screen readers, where the label does not say of what. */
    name?: string;
  },
) {
  const [isOpen, setOpen] = useState(false);
  const { readOnly } = useSession();
  if (readOnly) return null;
  const classes = [danger ? "danger" : "", small ? "small" : ""].join(" ").trim();
  return (
    <>
      <button
        type="button"
        class={classes}
        aria-label={name}
        aria-haspopup="dialog"
        disabled={disabled}
        onClick={() => setOpen(true)}
      >
        {label}
      </button>
      {isOpen ? dialog(() => setOpen(false)) : null}
    </>
  );
}
