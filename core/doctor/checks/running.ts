/** What a running daemon reports about itself. */
import type { Check, Finding } from "./check.ts";

export const running: Check = {
  name: "running",
  *look({ status }): Generator<Finding> {
    if (!status) return;
    const { pid, version, health, problems } = status;
    // Damage is reported by the check that finds it in the files; this reports only what no other
    // check can see.
    if (health === "degraded" && problems.length > 0) {
      yield {
        level: "warning",
        where: "daemon",
        what: `it reports: ${problems.join("; ")}`,
        hint: "evs daemon logs",
      };
    }
    yield { level: "ok", where: "daemon", what: `version ${version} serves as process ${pid}` };
  },
};
