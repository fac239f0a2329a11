/** `evs subscription`: who consumes what, and how far. */
import { group } from "../cli/define.ts";
import { list } from "./list.ts";
import { pause } from "./pause.ts";
import { remove } from "./remove.ts";
import { resume } from "./resume.ts";
import { seek } from "./seek.ts";
import { show } from "./show.ts";

export const route = group({
  brief: "List, pause, resume, seek and remove subscriptions",
  description:
    "A subscription is a name under which evs consume remembers how far it came on a topic.",
  routes: { list, show, pause, resume, seek, remove },
});
