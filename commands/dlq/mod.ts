/** `evs dlq`: commands for dead letters. */
import { group } from "../cli/define.ts";
import { route as dismiss } from "./dismiss.ts";
import { route as edit } from "./edit.ts";
import { route as exportCommand } from "./export.ts";
import { route as groupCommand } from "./group.ts";
import { route as groups } from "./groups.ts";
import { route as importCommand } from "./import.ts";
import { route as jobs } from "./jobs.ts";
import { route as list } from "./list.ts";
import { route as note } from "./note.ts";
import { route as purge } from "./purge.ts";
import { route as remove } from "./remove.ts";
import { route as reopen } from "./reopen.ts";
import { route as resolve } from "./resolve.ts";
import { route as retry } from "./retry.ts";
import { route as show } from "./show.ts";

export const route = group({
  brief: "Inspect, fix, retry and remove dead letters",
  description:
    "A dead letter is an event that a subscription gave up on, kept with every attempt. See what went wrong (groups) and why (show), say what is to be done about it (note, dismiss, resolve), redeliver it (retry), or fix it first (edit; export and import for many). A retry or removal of many is a job of the daemon (jobs).",
  routes: {
    list,
    groups,
    group: groupCommand,
    note,
    dismiss,
    resolve,
    reopen,
    show,
    retry,
    edit,
    export: exportCommand,
    import: importCommand,
    remove,
    purge,
    jobs,
  },
});
