/**
 * What is refused where several nodes share a state, because they would get in each other's way:
 * each would number what it keeps by itself, and do what another one does already.
 */
import { UnsupportedError } from "../base/errors.ts";
import type { CatalogRefresh } from "./stale.ts";

const REFUSED = {
  retry: {
    what: "jobs on dead letters cannot run where several nodes may share the state",
    hint: "name them, a hundred at a time: evs dlq retry ID...",
  },
  remove: {
    what: "jobs on dead letters cannot run where several nodes may share the state",
    hint: "name them, a hundred at a time: evs dlq remove ID...",
  },
} as const;

/** Throws if others share the state. */
export function refuseShared(
  shared: CatalogRefresh | undefined,
  kind: keyof typeof REFUSED,
): void {
  if (!shared) return;
  const { what, hint } = REFUSED[kind];
  throw new UnsupportedError(what, { code: "state/not-shared", hint });
}
