/** `evs topic`: create, list, show, update, remove. */
import { group } from "../cli/define.ts";
import { route as create } from "./create.ts";
import { route as list } from "./list.ts";
import { route as remove } from "./remove.ts";
import { route as show } from "./show.ts";
import { route as update } from "./update.ts";

export const route = group({
  brief: "Create, list, change and remove topics",
  description:
    "A topic is created by the first event published to it; create it beforehand to give it options.",
  routes: { create, list, show, update, remove },
});
