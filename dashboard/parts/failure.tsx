/** Why something did not work, and what to try. */
/** @jsx h */
import { h } from "../packages/preact.ts";
import type { RequestFailure } from "../data/api.ts";
import { escapeLines } from "../view/format.ts";

/** An error in words; nothing if there is none, or if the banner says that nobody answers. */
export function FailureNotice({ failure }: { failure: RequestFailure | undefined }) {
  if (failure === undefined || failure.isAway) return null;
  return <FailureText message={failure.message} hint={failure.hint} code={failure.code} />;
}

/** The same, from its parts. */
export function FailureText(
  { message, hint, code }: { message: string; hint?: string | undefined; code: string },
) {
  return (
    <div class="failure" role="alert">
      <p>{escapeLines(message)}</p>
      {hint === undefined ? null : <p class="quiet">{escapeLines(hint)}</p>}
      <p class="quiet small-text">{code}</p>
    </div>
  );
}
