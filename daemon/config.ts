/**
 * The daemon's settings. The command line overrides the config file, which overrides the defaults.
 * Each key is documented in docs/configuration.md.
 */
// Though few have a config file: where packages are missing, a daemon says so when it is started.
import { parse, TomlError } from "smol-toml";
import { parseBytes, parseDuration } from "../core/base/units.ts";
import { InvalidArgumentError } from "../core/base/errors.ts";
import { didYouMean } from "../core/base/suggest.ts";
import { type Durability, parseDurability } from "../core/event/durability.ts";
import { DEFAULT_SPOOL_BYTES, DEFAULT_SPOOL_EVENTS } from "../core/event/limits.ts";
import type { StoreKind } from "../core/event/topic_options.ts";
import { isDatabaseUrl } from "../core/protocol/database_url.ts";
import { LOG_LEVELS, type LogLevel } from "./log.ts";
import { isJsonObject } from "../core/json/json_object.ts";

/** Every setting, resolved. Sizes in bytes, durations in ms. */
export interface Config {
  store: StoreKind | "postgres";
  /** The URL of the database, without a password, if the store is PostgreSQL; otherwise empty. */
  database: string;
  /** From the config file, which only its owner reads; empty: none there. */
  databasePassword: string;
  /** A file with certificates that the database server's is checked against; empty: the system's. */
  databaseCa: string;
  durability: Durability;
  maxEventBytes: number;
  dedupWindow: number;
  autoCreateTopics: boolean;
  maxConnections: number;
  /** Keep the history of the last 72 hours. */
  history: boolean;
  logLevel: LogLevel;
  logMaxBytes: number;
  /** The name of the group that may use the socket; empty: the owner alone. */
  socketGroup: string;
  /** 0: never. */
  alertDeadLetters: number;
  alertLag: number;
  /** Milliseconds; 0: never. */
  alertAge: number;
  alertLeased: number;
  /** Percent. */
  alertDisk: number;
  /** Where publishers leave events while no daemon runs; empty: in the data dir. */
  spoolFolder: string;
  /** The most that waits there; publishers keep to it. */
  spoolMaxBytes: number;
  spoolMaxEvents: number;
}

/** The defaults. */
export const defaultConfig: Readonly<Config> = {
  store: "sqlite",
  database: "",
  databasePassword: "",
  databaseCa: "",
  durability: "always",
  maxEventBytes: 1024 * 1024,
  dedupWindow: 86_400_000,
  autoCreateTopics: true,
  maxConnections: 512,
  history: true,
  logLevel: "info",
  logMaxBytes: 10 * 1024 * 1024,
  socketGroup: "",
  alertDeadLetters: 0,
  alertLag: 0,
  alertAge: 0,
  alertLeased: 600_000,
  alertDisk: 10,
  spoolFolder: "",
  spoolMaxBytes: DEFAULT_SPOOL_BYTES,
  spoolMaxEvents: DEFAULT_SPOOL_EVENTS,
};

const STORES: readonly StoreKind[] = ["sqlite", "file", "memory"];

type Reader = (value: unknown, key: string) => Partial<Config>;

/** Keys of the config file, `section.key`. */
const KEYS: Record<string, Reader> = {
  store: (value, key) => storeIn(value, key),
  "postgres.password": (value, key) => ({ databasePassword: secret(value, key) }),
  "postgres.ca": (value, key) => ({ databaseCa: absolutePath(text(value, key), key) }),
  durability: (value, key) => ({ durability: parseDurability(text(value, key)) }),
  max_event_bytes: (value, key) => ({
    maxEventBytes: within(size(value, key), key, [1024, 256 * 1024 * 1024]),
  }),
  dedup_window: (value, key) => ({ dedupWindow: parseDuration(text(value, key), key) }),
  auto_create_topics: (value, key) => ({ autoCreateTopics: truth(value, key) }),
  max_connections: (value, key) => ({
    maxConnections: within(whole(value, key), key, [4, 100_000]),
  }),
  history: (value, key) => ({ history: truth(value, key) }),
  socket_group: (value, key) => ({ socketGroup: text(value, key) }),
  "log.level": (value, key) => ({ logLevel: oneOf(value, key, LOG_LEVELS) }),
  "log.max_bytes": (value, key) => ({
    logMaxBytes: within(size(value, key), key, [4096, 2 ** 40]),
  }),
  "alert.dead_letters": (value, key) => ({
    alertDeadLetters: within(whole(value, key), key, [0, Number.MAX_SAFE_INTEGER]),
  }),
  "alert.lag": (value, key) => ({
    alertLag: within(whole(value, key), key, [0, Number.MAX_SAFE_INTEGER]),
  }),
  "alert.age": (value, key) => ({ alertAge: parseDuration(text(value, key), key) }),
  "alert.leased": (value, key) => ({ alertLeased: parseDuration(text(value, key), key) }),
  "alert.disk": (value, key) => ({ alertDisk: within(whole(value, key), key, [0, 100]) }),
  "spool.folder": (value, key) => ({ spoolFolder: absolutePath(text(value, key), key) }),
  "spool.max_bytes": (value, key) => ({
    spoolMaxBytes: within(size(value, key), key, [65_536, 2 ** 40]),
  }),
  "spool.max_events": (value, key) => ({
    spoolMaxEvents: within(whole(value, key), key, [1, 100_000_000]),
  }),
};

/** Longer than any real config file, bytes. */
const LONGEST_CONFIG = 1024 * 1024;

/** Reads the config file; a missing file is empty. */
export async function loadConfig(path: string): Promise<Partial<Config>> {
  let source: string;
  let info: Deno.FileInfo;
  try {
    const { isFile, size } = info = await Deno.stat(path);
    // Reading a pipe could block forever, and a device may have no end.
    if (path !== "/dev/null" && (!isFile || size > LONGEST_CONFIG)) {
      throw new InvalidArgumentError(
        isFile
          ? `${path} has ${size} bytes: a config file has ${LONGEST_CONFIG} at most`
          : `${path} is not a plain file, so it is no config file`,
        { code: "config/invalid", hint: "EVS_CONFIG names the config file" },
      );
    }
    source = await Deno.readTextFile(path);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return {};
    throw error;
  }
  const config = parseConfig(source, path);
  if (config.databasePassword) assertOwnersAlone(path, info);
  return config;
}

function assertOwnersAlone(path: string, { mode }: Deno.FileInfo): void {
  if (((mode ?? 0) & 0o077) === 0) return;
  throw new InvalidArgumentError(
    `${path} has a password in it, and others may read it (mode ${
      ((mode ?? 0) & 0o777).toString(8)
    })`,
    { code: "config/invalid", hint: `chmod 600 ${path}` },
  );
}

/**
 * Reads the text of a config file; `path` is named in errors. Throws `InvalidArgumentError`
 * (`config/invalid`).
 */
export function parseConfig(source: string, path: string): Partial<Config> {
  try {
    return readConfig(parse(source) as Record<string, unknown>);
  } catch (error) {
    if (error instanceof TomlError) {
      throw new InvalidArgumentError(
        `${path}, line ${error.line}, column ${error.column}: ${firstLine(error.message)}`,
        {
          code: "config/invalid",
          cause: error,
        },
      );
    }
    if (error instanceof InvalidArgumentError) {
      throw new InvalidArgumentError(`${path}: ${error.message}`, {
        code: "config/invalid",
        hint: error.hint,
        cause: error,
      });
    }
    throw error;
  }
}

/**
 * Checks a parsed config file. Unknown keys are refused, so that a misspelt setting is not silently
 * ignored.
 */
export function readConfig(table: Record<string, unknown>): Partial<Config> {
  const config: Partial<Config> = {};
  for (const [key, value] of flatten(table)) {
    const read = Object.hasOwn(KEYS, key) ? KEYS[key] : undefined;
    if (!read) {
      throw new InvalidArgumentError(`unknown key ${key}`, {
        hint: didYouMean(key, Object.keys(KEYS)) ?? `the keys are ${Object.keys(KEYS).join(", ")}`,
        details: { key },
      });
    }
    Object.assign(config, read(value, key));
  }
  return config;
}

/**
 * `section.key` of every setting. Anything nested deeper is not a setting, but its name says so, at
 * any depth.
 */
function* flatten(table: Record<string, unknown>): Generator<[string, unknown]> {
  for (const [key, value] of Object.entries(table)) {
    if (!isTable(value)) {
      yield [key, value];
      continue;
    }
    for (const [name, inner] of Object.entries(value)) {
      if (!isTable(inner)) yield [`${key}.${name}`, inner];
      else for (const deeper of Object.keys(inner)) yield [`${key}.${name}.${deeper}`, undefined];
    }
  }
}

function isTable(value: unknown): value is Record<string, unknown> {
  return isJsonObject(value) && !(value instanceof Date);
}

/** A value as errors show it, shortened if it is long or deep. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return "an array";
  return isTable(value) ? "a table" : JSON.stringify(value).slice(0, 80);
}

function absolutePath(path: string, key: string): string {
  if (path === "" || /^\/[^\0,]*[^\0,/]$/.test(path)) return path;
  throw new InvalidArgumentError(`${key} is an absolute path without a comma, not ${shown(path)}`);
}

function text(value: unknown, key: string): string {
  if (typeof value === "string") return value;
  throw new InvalidArgumentError(`${key} is a string, not ${shown(value)}`, {
    details: { key },
  });
}

function truth(value: unknown, key: string): boolean {
  if (typeof value === "boolean") return value;
  throw new InvalidArgumentError(`${key} is true or false, not ${shown(value)}`, {
    details: { key },
  });
}

function whole(value: unknown, key: string): number {
  if (Number.isSafeInteger(value)) return value as number;
  throw new InvalidArgumentError(`${key} is a whole number, not ${shown(value)}`, {
    details: { key },
  });
}

function size(value: unknown, key: string): number {
  return typeof value === "number" ? whole(value, key) : parseBytes(text(value, key), key);
}

function within(value: number, key: string, [low, high]: readonly [number, number]): number {
  if (value >= low && value <= high) return value;
  throw new InvalidArgumentError(`${key} is from ${low} to ${high}, not ${value}`, {
    details: { key },
  });
}

function oneOf<T extends string>(value: unknown, key: string, choices: readonly T[]): T {
  if (choices.includes(value as T)) return value as T;
  throw new InvalidArgumentError(
    `${key} is ${choices.join(" or ")}, not ${shown(value)}`,
    {
      hint: typeof value === "string" ? didYouMean(value, choices) : undefined,
      details: { key },
    },
  );
}

function firstLine(message: string): string {
  return message.split("\n")[0]!;
}

/** Parses the name of a store, or the URL of a database, from the command line. */
export function parseStore(value: string): Pick<Config, "store" | "database"> {
  return storeIn(value, "store");
}

function storeIn(value: unknown, key: string): Pick<Config, "store" | "database"> {
  if (typeof value !== "string" || !value.includes("://")) {
    return { store: oneOf(value, key, STORES), database: "" };
  }
  if (isDatabaseUrl(value)) return { store: "postgres", database: value };
  // Not quoted: there may be a password in it.
  throw new InvalidArgumentError(
    `${key} is ${STORES.join(" or ")}, or a URL that begins with postgres://`,
    { hint: "postgres://USER@HOST:5432/DATABASE", details: { key } },
  );
}

/** A text that no error quotes. */
function secret(value: unknown, key: string): string {
  if (typeof value === "string") return value;
  throw new InvalidArgumentError(`${key} is a string`, { details: { key } });
}
