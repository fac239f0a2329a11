/** The flags that the commands of `evs service` share. */
import type { FlagParametersForType } from "@stricli/core";
import { durabilityFlag, storeFlag } from "../daemon/flags.ts";
import type { EvsContext } from "../cli/context.ts";
import { textFlag } from "../cli/define.ts";

/** Whose service manager is meant. */
export type ScopeFlags = { user?: boolean; system?: boolean };

export const scopeFlags: FlagParametersForType<ScopeFlags, EvsContext> = {
  user: { kind: "boolean", brief: "For your own service manager; the default", optional: true },
  system: {
    kind: "boolean",
    brief: "For the machine's service manager; to change it, be root",
    optional: true,
  },
};

/** The settings of a daemon that are given on its command line. */
export type DaemonFlags = { store?: string; durability?: string };

export const daemonFlags: FlagParametersForType<DaemonFlags, EvsContext> = {
  store: { ...storeFlag, brief: "Where events are stored; default as configured" },
  durability: {
    ...durabilityFlag,
    brief: "When an event is acknowledged; default as configured",
  },
};

/** Who runs a consumer. */
export type RunAsFlags = { as?: string };

export const runAsFlags: FlagParametersForType<RunAsFlags, EvsContext> = {
  as: textFlag("With --system: the user who runs the consumer; default evs", "USER"),
};

/** The same for an `evs alert`. */
export const runAlertAsFlags: FlagParametersForType<RunAsFlags, EvsContext> = {
  as: textFlag("With --system: the user who runs the command; default evs", "USER"),
};

export type PrintFlags = ScopeFlags & { launchd?: boolean };

export const printFlags: FlagParametersForType<PrintFlags, EvsContext> = {
  ...scopeFlags,
  launchd: {
    kind: "boolean",
    brief: "A property list for macOS instead; nobody has run one yet",
    optional: true,
  },
};

export type InstallFlags = ScopeFlags & { start?: boolean; force?: boolean };

export const installFlags: FlagParametersForType<InstallFlags, EvsContext> = {
  ...scopeFlags,
  start: {
    kind: "boolean",
    brief: "Enable and start it now, the default; --no-start only writes files",
    withNegated: true,
    optional: true,
  },
  force: {
    kind: "boolean",
    brief: "Replace files that were edited or come from somebody else",
    optional: true,
  },
};
