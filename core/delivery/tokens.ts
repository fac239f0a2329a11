/** Names of leases. */

import { moduleState } from "../base/module_state.ts";

const tokens = moduleState(() => ({
  boot: crypto.getRandomValues(new Uint32Array(2)).reduce((text, n) => text + n.toString(36), ""),
  last: 0,
}));

/** A name that was never used before, not even by an earlier process. */
export function newToken(): string {
  const state = tokens();
  return `${state.boot}-${(++state.last).toString(36)}`;
}
