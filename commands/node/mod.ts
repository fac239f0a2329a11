/** `evs node`: the daemons and brokers that share one database. */
import { group } from "../cli/define.ts";
import { route as drain } from "./drain.ts";
import { route as list } from "./list.ts";

export const route = group({
  brief: "List and drain the nodes that share a database",
  description:
    "A daemon that was started with --store postgres://… is a node: it shares topics, subscriptions and dead letters with all others on the same database. Any node can be asked about all of them.",
  routes: { list, drain },
});
