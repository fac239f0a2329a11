/** The flags of everything that starts a daemon. */
import { parseDurability } from "../../core/event/durability.ts";
import { defined } from "../../core/base/defined.ts";
import type { FlagParametersForType } from "@stricli/core";
import type { LaunchOptions } from "../../core/client/launch.ts";
import type { Paths } from "../../core/protocol/paths.ts";
import { InvalidArgumentError } from "../../core/base/errors.ts";
import type { EvsContext } from "../cli/context.ts";

export type LaunchFlags = {
  store?: string;
  durability?: string;
  force?: boolean;
};

/** `--durability` as typed; the daemon reads it itself. */
export const durabilityFlag = {
  kind: "parsed",
  parse(input: string): string {
    parseDurability(input);
    return input;
  },
  brief: "When an event is acknowledged: once synced (always), or before; default always",
  placeholder: "always|os|interval:DURATION",
  optional: true,
} as const;

/** `--store` of a daemon that goes away with everything it stored. */
export const localStoreFlag = {
  kind: "enum",
  values: ["sqlite", "file", "memory"],
  brief: "Where events are stored; default sqlite",
  optional: true,
} as const;

/** `--store` as typed. No error quotes a URL: there may be a password in it. */
export const storeFlag = {
  kind: "parsed",
  parse(input: string): string {
    if (input.includes("://") || localStoreFlag.values.some((kind) => kind === input)) return input;
    throw new InvalidArgumentError(
      `a store is ${localStoreFlag.values.join(", ")}, or the URL of a PostgreSQL database`,
      { hint: "postgres://USER@HOST:5432/DATABASE" },
    );
  },
  brief: "Where events are stored; a database keeps all else, too; default sqlite",
  placeholder: "sqlite|file|memory|postgres://…",
  optional: true,
} as const;

export const launchFlags: FlagParametersForType<LaunchFlags, EvsContext> = {
  store: storeFlag,
  durability: durabilityFlag,
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
