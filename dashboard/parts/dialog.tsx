/**
 * A dialog. `<dialog>` keeps the focus inside while it is open, and closes with Escape. The focus
 * goes back to what opened it.
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
    const opener = document.activeElement;
    dialog.showModal();
    return () => {
      dialog.close();
      // The button may be gone by what was done: a paused subscription has another one.
      const back = opener?.isConnected ? opener : document.querySelector("main");
      (back as HTMLElement | null)?.focus({ preventScroll: true });
    };
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
