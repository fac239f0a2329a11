/** `evs dlq`: the dead letters. */
import { group } from "../define.ts";
import { groups } from "./groups.ts";
import { list } from "./list.ts";
import { purge } from "./purge.ts";
import { remove } from "./remove.ts";
import { retry } from "./retry.ts";
import { show } from "./show.ts";

export const route = group({
  brief: "Look at, retry and remove dead letters",
  description:
    "A dead letter is an event that a subscription gave up on, kept with every attempt. See what went wrong (groups), look why (show), mend it, send it again (retry).",
  routes: { list, groups, show, retry, remove, purge },
});
