/**
 * A dialog. `<dialog>` keeps the focus inside while it is open, closes with Escape, and gives the
 * focus back.
 */
/** @jsx h */
import { type ComponentChildren, h, useEffect, useId, useRef } from "../packages/preact.ts";

/** Shows it, as long as it is rendered. */
export function Dialog(
  { title, onClose, children, wide = false }: {
    title: string;
    onClose: () => void;
    children: ComponentChildren;
    wide?: boolean;
  },
) {
  const ref = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const dialog = ref.current!;
    dialog.showModal();
    return () => dialog.close();
  }, []);
  return (
    <dialog
      ref={ref}
      class={wide ? "dialog wide" : "dialog"}
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <div class="dialog-head">
        <h2 id={id}>{title}</h2>
        <button type="button" class="plain" aria-label="Close" onClick={onClose}>✕</button>
      </div>
      {children}
    </dialog>
  );
}
