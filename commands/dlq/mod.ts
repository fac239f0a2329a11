/** `evs dlq`: the dead letters. */
import { group } from "../cli/define.ts";
import { edit } from "./edit.ts";
import { exportCommand } from "./export.ts";
import { groups } from "./groups.ts";
import { importCommand } from "./import.ts";
import { list } from "./list.ts";
import { purge } from "./purge.ts";
import { remove } from "./remove.ts";
import { retry } from "./retry.ts";
import { show } from "./show.ts";

export const route = group({
  brief: "Look at, mend, retry and remove dead letters",
  description:
    "A dead letter is an event that a subscription gave up on, kept with every attempt. See what went wrong (groups), look why (show), send it again (retry), or mend it first (edit; export and import for many).",
  routes: {
    list,
    groups,
    show,
    retry,
    edit,
    export: exportCommand,
    import: importCommand,
    remove,
    purge,
  },
});
