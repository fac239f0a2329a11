/** A field of a form with its label, and what is wrong with what was typed. */
/** @jsx h */
import { h, useId } from "../packages/preact.ts";

interface FieldProps {
  label: string;
  value: string;
  onValue: (value: string) => void;
  hint?: string;
  fault?: string;
  placeholder?: string;
  autofocus?: boolean;
  /** Several lines. */
  rows?: number;
}

/** Text. */
export function Field(
  { label, value, onValue, hint, fault, rows, placeholder, autofocus }: FieldProps,
) {
  const id = useId();
  const about = fault ?? hint;
  const shared = {
    id,
    value,
    placeholder,
    autofocus,
    autocomplete: "off",
    spellcheck: false,
    "aria-describedby": about === undefined ? undefined : `${id}-about`,
    "aria-invalid": fault === undefined ? undefined : true,
  };
  const typed = (event: { currentTarget: HTMLInputElement | HTMLTextAreaElement }) =>
    onValue(event.currentTarget.value);
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {rows === undefined
        ? <input type="text" {...shared} onInput={typed} />
        : <textarea rows={rows} {...shared} onInput={typed} />}
      {about === undefined
        ? null
        : <p id={`${id}-about`} class={fault === undefined ? "quiet" : "fault"}>{about}</p>}
    </div>
  );
}
