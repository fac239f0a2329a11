/** `evs context`: names for the daemons of somebody who has several. */
import { group } from "../cli/define.ts";
import { route as list } from "./list.ts";
import { route as remove } from "./remove.ts";
import { route as set } from "./set.ts";
import { route as show } from "./show.ts";
import { route as use } from "./use.ts";

export const route = group({
  brief: "Name daemons, and choose one of them",
  description:
    "A context is a name for the places of a daemon: its data dir, its socket, its config file. " +
    "The current one, chosen with evs context use, applies to every command; EVS_CONTEXT or --context names another. " +
    "EVS_SOCKET, EVS_DATA_DIR and the flags --socket and --data-dir come before EVS_CONTEXT and the current one.",
  routes: { list, show, use, set, remove },
});
