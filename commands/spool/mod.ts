/** `evs spool`: what was published while no daemon answered. */
import { group } from "../cli/define.ts";
import { route as list } from "./list.ts";
import { route as remove } from "./remove.ts";
import { route as retry } from "./retry.ts";

export const route = group({
  brief: "List, retry and remove spooled events",
  description:
    "What evs publish --spool keeps while no daemon answers. A daemon takes it in when it starts, and within a second while it runs. What it refuses then, because of a schema or a size, stays here until you decide.",
  routes: { list, retry, remove },
});
