/** `evs check`: health checks for monitoring systems. */
import { group } from "../cli/define.ts";
import { route as age } from "./age.ts";
import { route as disk } from "./disk.ts";
import { route as dlq } from "./dlq.ts";
import { route as leased } from "./leased.ts";
import { route as lag } from "./lag.ts";
import { route as refused } from "./refused.ts";

export const route = group({
  brief: "Check dead letters, lag, ages and disk for monitoring",
  description:
    "Each check prints one line and exits with 0 OK, 1 WARNING, 2 CRITICAL or 3 UNKNOWN, as monitoring systems expect of their plug-ins.",
  routes: { dlq, lag, age, leased, refused, disk },
});
