/** Settings and consumers of a subscription in words. Pure. */
import type { BackoffSpec } from "../../core/event/backoff.ts";
import type { ConsumerFacts } from "../../core/protocol/in_flight.ts";
import { formatDuration } from "../../core/base/units.ts";
import { escapeText } from "./format.ts";

/** As `--backoff` takes it. */
export function backoffWords({ kind, base, max, jitter }: BackoffSpec): string {
  const span = kind === "fixed"
    ? formatDuration(base)
    : `${formatDuration(base)}..${formatDuration(max)}`;
  return `${kind}:${span}${jitter ? ",jitter" : ""}`;
}

/** Which process it is, as it says itself. */
export function holderWords({ pid, host, command }: Partial<ConsumerFacts>): string {
  const process = pid === undefined ? "" : `pid ${pid}`;
  const place = host === undefined ? "" : ` on ${escapeText(host)}`;
  const what = command === undefined ? "" : `${process || place ? ": " : ""}${escapeText(command)}`;
  return `${process}${place}${what}` || "not known";
}
