/** Who acts, for the daemon's audit log: as this process claims it. */

import { userInfo } from "node:os";

/** The value of the header `evs-actor`. */
export function actorOf(): string {
  const claimed: Record<string, string> = {
    way: "dashboard",
    user: userInfo().username,
    host: Deno.hostname(),
    pid: String(Deno.pid),
    command: "evs dashboard",
  };
  return String(new URLSearchParams(claimed));
}
