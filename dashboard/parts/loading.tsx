/** What is shown until something is known. */
/** @jsx h */
/** @jsxFrag Fragment */
import { type ComponentChildren, Fragment, h } from "../packages/preact.ts";
import type { Live } from "../data/live.ts";
import { FailureNotice } from "./failure.tsx";

/** The document, or why there is none. What is known stays when a later request fails. */
export function Loaded<T>(
  { live, children }: { live: Live<T>; children: (data: T) => ComponentChildren },
) {
  const { data, failure } = live;
  if (data === undefined) {
    return failure === undefined || failure.isAway
      ? <p class="quiet">Loading…</p>
      : <FailureNotice failure={failure} />;
  }
  return (
    <>
      <FailureNotice failure={failure} />
      {children(data)}
    </>
  );
}

/** Says that there is nothing, and perhaps why. */
export function Empty({ children }: { children: ComponentChildren }) {
  return <p class="empty">{children}</p>;
}
