/** `evs service`: the daemon, consumers and alerts as services of systemd. */
import { group } from "../cli/define.ts";
import { route as install } from "./install.ts";
import { route as print } from "./print.ts";
import { route as remove } from "./remove.ts";

export const route = group({
  brief: "Run the daemon, consumers and alerts under systemd",
  description:
    "Makes systemd units for the daemon, for consumers, which start with it, and for `evs alert`. `print` shows them and writes nothing. Each is for your own service manager, or for the machine's with --system.",
  routes: { print, install, remove },
});
