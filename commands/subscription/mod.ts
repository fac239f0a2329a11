/** `evs subscription`: who consumes what, and their position. */
import { group } from "../cli/define.ts";
import { route as create } from "./create.ts";
import { route as list } from "./list.ts";
import { route as pause } from "./pause.ts";
import { route as remove } from "./remove.ts";
import { route as resume } from "./resume.ts";
import { route as retries } from "./retries.ts";
import { route as seek } from "./seek.ts";
import { route as show } from "./show.ts";

export const route = group({
  brief: "Create, list, pause, seek and remove subscriptions",
  description:
    "A subscription is a name under which evs consume remembers its position in a topic.",
  routes: { create, list, show, pause, resume, seek, retries, remove },
});
