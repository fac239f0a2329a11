/** One of several values, with its label. */
/** @jsx h */
import { h, useId } from "../packages/preact.ts";

/** A drop-down list. The label stands apart from it, so that its name is not its options. */
export function Choice(
  { label, value, options, onValue }: {
    label: string;
    value: string;
    /** Values with their titles. */
    options: readonly (readonly [value: string, title: string])[];
    onValue: (value: string) => void;
  },
) {
  const id = useId();
  return (
    <div class="filter">
      <label for={id}>{label}</label>
      <select id={id} value={value} onChange={(event) => onValue(event.currentTarget.value)}>
        {options.map(([name, title]) => <option key={name} value={name}>{title}</option>)}
      </select>
    </div>
  );
}
