/** `evs service`: the daemon and consumers as services of systemd. */
import { group } from "../cli/define.ts";
import { route as install } from "./install.ts";
import { route as print } from "./print.ts";
import { route as remove } from "./remove.ts";

export const route = group({
  brief: "Run the daemon and consumers as systemd services",
  description:
    "Makes systemd units for the daemon and for consumers, which start with it. `print` shows them and writes nothing. Each is for your own service manager, or for the machine's with --system.",
  routes: { print, install, remove },
});
