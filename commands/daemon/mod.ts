/** `evs daemon`: manages the daemon process. */
import { group } from "../cli/define.ts";
import { route as logs } from "./logs.ts";
import { route as restart } from "./restart.ts";
import { route as run } from "./run.ts";
import { route as start } from "./start.ts";
import { route as status } from "./status.ts";
import { route as stop } from "./stop.ts";

export const route = group({
  brief: "Start, stop and inspect the daemon",
  description:
    "The daemon keeps one user's events in one data dir and serves one Unix socket. EVS_DATA_DIR and EVS_SOCKET, or --data-dir and --socket, select others.",
  routes: { run, start, stop, restart, status, logs },
});
