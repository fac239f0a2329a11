/** Which dead letters a list shows, and an act is about. It stands in the address. Pure. */
import type { Flags } from "./command_line.ts";
import { durationField, type FieldValue } from "./duration_field.ts";
import type { PlaceQuery } from "./place.ts";

const TEXTS = ["subscription", "topic", "type", "key", "reason", "group"] as const;

/** Texts as they are typed; `since` is a duration. */
export type DeadLetterView = { [name in typeof TEXTS[number] | "since"]?: string };

/** The filter of an address. */
export function viewOf(query: URLSearchParams): DeadLetterView {
  const given = [...TEXTS, "since"].map((name) => [name, query.get(name) ?? undefined]);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined && value !== ""));
}

/** The query of the address. */
export function queryOfView(view: DeadLetterView): PlaceQuery {
  return { ...view };
}

/** The names and values that the daemon takes. A `since` that cannot be read filters nothing. */
export function filterOf(view: DeadLetterView, now: number): Record<string, string | number> {
  const { since, ...texts } = view;
  const { value } = sinceField(view);
  return since === undefined || value === undefined ? texts : { ...texts, since: now - value };
}

/** What is typed for `since`. */
export function sinceField({ since = "" }: DeadLetterView): FieldValue<number> {
  return durationField(since);
}

/** What an act is about: all of them has to be said. */
export function selectionOf(view: DeadLetterView, now: number): Record<string, unknown> {
  const filter = filterOf(view, now);
  return Object.keys(filter).length === 0 ? { all: true } : filter;
}

/** The flags of `evs dlq`. */
export function flagsOf(view: DeadLetterView, { all }: { all: boolean }): Flags {
  return all && Object.keys(view).length === 0 ? { all: true } : { ...view };
}
