/** `evs check`: health checks for monitoring systems. */
import { group } from "../cli/define.ts";
import { route as disk } from "./disk.ts";
import { route as dlq } from "./dlq.ts";
import { route as lag } from "./lag.ts";

export const route = group({
  brief: "Check dead letters, lag and disk, as Nagios plug-ins do",
  description:
    "Each check prints one line and ends with 0 OK, 1 WARNING, 2 CRITICAL or 3 UNKNOWN, as monitoring systems expect it of their plug-ins.",
  routes: { dlq, lag, disk },
});
