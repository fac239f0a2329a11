/** The settings of the spool, from the daemon's config file: publishers keep to them. */
import { parseBytes } from "../../core/base/units.ts";
import { DEFAULT_SPOOL_BYTES, DEFAULT_SPOOL_EVENTS } from "../../core/event/limits.ts";
import { isJsonObject } from "../../core/json/json_object.ts";
import { configTable } from "../cli/config_table.ts";

/** The settings, with defaults. */
export interface SpoolSettings {
  /** Undefined: in the data dir. */
  folder: string | undefined;
  /** The most that waits or was refused. */
  maxBytes: number;
  maxEvents: number;
}

/** Reads them from a config file; what is wrong there counts as not given. */
export async function spoolSettings(config: string): Promise<SpoolSettings> {
  const { spool } = await configTable(config, { word: "spool" }) ?? {};
  const { folder, max_bytes, max_events } = isJsonObject(spool) ? spool : {};
  return {
    folder: typeof folder === "string" && folder.startsWith("/") ? folder : undefined,
    maxBytes: bytesOf(max_bytes) ?? DEFAULT_SPOOL_BYTES,
    maxEvents: typeof max_events === "number" && max_events > 0 ? max_events : DEFAULT_SPOOL_EVENTS,
  };
}

function bytesOf(value: unknown): number | undefined {
  if (typeof value === "number") return value > 0 ? value : undefined;
  try {
    return typeof value === "string" ? parseBytes(value, "spool.max_bytes") : undefined;
  } catch {
    return undefined; // the daemon says what is wrong with it
  }
}
