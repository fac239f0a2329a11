/** `evs daemon`: manages the daemon process. */
import { group } from "../cli/define.ts";
import { route as logs } from "./logs.ts";
import { route as restart } from "./restart.ts";
import { route as run } from "./run.ts";
import { route as start } from "./start.ts";
import { route as status } from "./status.ts";
import { route as stop } from "./stop.ts";

export const route = group({
  brief: "Start, stop and look after the daemon",
  description:
    "The daemon keeps the events of one user in one data dir and answers at one Unix socket. EVS_DATA_DIR and EVS_SOCKET choose others.",
  routes: { run, start, stop, restart, status, logs },
});
