/** `evs dlq jobs`: acts on many dead letters that the daemon does by itself. */
import { group } from "../cli/define.ts";
import { route as cancel } from "./jobs_cancel.ts";
import { route as list } from "./jobs_list.ts";
import { route as show } from "./jobs_show.ts";

export const route = group({
  brief: "List, show and cancel acts on many dead letters",
  description:
    "A retry or removal of all dead letters, or of those that match filters, is a job of the daemon: it goes on when the command that started it ends, and when the daemon is restarted. It acts on what was there when it started.",
  routes: { list, show, cancel },
});
