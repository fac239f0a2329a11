/** Times: short and relative, with the exact one on hover. */
/** @jsx h */
import { h } from "../packages/preact.ts";
import { agoText, dueText, timeText } from "../view/format.ts";

/** `5m 12s ago`. Rendered again when its page is, so that it is as old as what it is shown with. */
export function Ago({ at }: { at: number }) {
  return <time dateTime={isoOf(at)} title={timeText(at)}>{agoText(at, Date.now())}</time>;
}

/** `in 5m 12s`. */
export function Due({ at }: { at: number }) {
  return <time dateTime={isoOf(at)} title={timeText(at)}>{dueText(at, Date.now())}</time>;
}

/** The exact time. */
export function At({ at }: { at: number }) {
  return <time dateTime={isoOf(at)}>{timeText(at)}</time>;
}

/** Publishers may give any number as a timestamp. */
function isoOf(at: number): string | undefined {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}
