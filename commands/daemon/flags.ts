/** The flags of everything that starts a daemon. */
import { defined } from "../../core/base/defined.ts";
import type { FlagParametersForType } from "@stricli/core";
import type { LaunchOptions } from "../../core/client/launch.ts";
import type { Paths } from "../../core/protocol/paths.ts";
import type { EvsContext } from "../cli/context.ts";
import { textFlag } from "../cli/define.ts";

export type LaunchFlags = {
  store?: "sqlite" | "file" | "memory";
  durability?: string;
  force?: boolean;
};

export const launchFlags: FlagParametersForType<LaunchFlags, EvsContext> = {
  store: {
    kind: "enum",
    values: ["sqlite", "file", "memory"],
    brief: "Where events are stored; default sqlite",
    optional: true,
  },
  durability: textFlag(
    "When an event is acknowledged: once synced (always), or before; default always",
    "always|os|interval:DURATION",
  ),
  force: {
    kind: "boolean",
    brief: "Start even on a network file system",
    optional: true,
  },
};

/** Paths and flags together. */
export function launchOptions(paths: Paths, flags: LaunchFlags): LaunchOptions {
  const { store, durability, force } = flags;
  return { ...paths, ...defined({ store, durability, force }) };
}
