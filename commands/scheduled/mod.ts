/** `evs scheduled`: the events that are published later. */
import { group } from "../cli/define.ts";
import { route as cancel } from "./cancel.ts";
import { route as list } from "./list.ts";

export const route = group({
  brief: "List and cancel events that are published later",
  description:
    "What evs publish --delay and --at still hold back. Once an event is published, it is in its topic and no longer here.",
  routes: { list, cancel },
});
