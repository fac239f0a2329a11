/** A command line, or another text to take along, with a button that copies it. */
/** @jsx h */
import { h, useState } from "../packages/preact.ts";
import { escapeText } from "../view/format.ts";

/** Shows the text escaped, and copies it as it is. */
export function Copyable({ text, label }: { text: string; label: string }) {
  const [copied, setCopied] = useState("");
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setCopied(text);
    } catch {
      // Not allowed here: the text can still be selected.
      setCopied("");
    }
  };
  return (
    <div class="copyable">
      <code aria-label={label}>{escapeText(text)}</code>
      <button type="button" class="small" onClick={() => void copy()}>
        {copied === text ? "Copied" : "Copy"}
      </button>
    </div>
  );
}
