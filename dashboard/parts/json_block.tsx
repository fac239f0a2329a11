/** JSON as it was written, indented and coloured. */
/** @jsx h */
import { h, useMemo, useState } from "../packages/preact.ts";
import { escapeText } from "../view/format.ts";
import { indentedTokens } from "../view/json_text.ts";

/** More characters than this are not shown at once: a payload may have a million. */
const MOST = 40_000;

/** A scrollable block. */
export function JsonBlock({ json, label }: { json: string; label: string }) {
  const [isWhole, setWhole] = useState(false);
  const isCut = json.length > MOST && !isWhole;
  const pieces = useMemo(
    () => json.length > MOST ? undefined : indentedTokens(json),
    [json],
  );
  return (
    <div class="json">
      <pre tabIndex={0} role="group" aria-label={label}>
        {pieces === undefined
          ? escapeText(isCut ? json.slice(0, MOST) : json)
          : pieces.map(({ kind, text }, i) =>
            kind === "punctuation" ? text : <span key={i} class={`json-${kind}`}>{text}</span>
          )}
      </pre>
      {isCut
        ? (
          <button type="button" class="small" onClick={() => setWhole(true)}>
            Show all {json.length} characters
          </button>
        )
        : null}
    </div>
  );
}
