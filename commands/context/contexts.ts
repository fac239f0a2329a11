/**
 * Named contexts: a name for the places of a daemon, for people with several of them. They are in
 * one small file, which every command reads if neither flags nor environment say where the daemon
 * is. The places of the chosen context are put into this process's environment, where everything
 * looks for them, also the commands that `evs consume` runs.
 */
import { EvsError, ExitCode, InvalidArgumentError } from "../../core/base/errors.ts";
import { contextsFile, environment } from "../../core/protocol/paths.ts";

/** The variables that a context may set. */
export const PLACE_VARIABLES = {
  socket: "EVS_SOCKET",
  dataDir: "EVS_DATA_DIR",
  config: "EVS_CONFIG",
} as const;

/** The places of one daemon, as absolute paths. */
export type ContextPlaces = { -readonly [place in keyof typeof PLACE_VARIABLES]?: string };

/** All contexts. */
export interface Contexts {
  /** The one that is used if nothing names another. */
  current?: string;
  places: ReadonlyMap<string, ContextPlaces>;
}

/** What names the context in use. */
export type ChosenBy = "--context" | "EVS_CONTEXT" | "evs context use";

/** The context in use. */
export interface ChosenContext {
  name: string;
  by: ChosenBy;
}

/** Larger than any file we write, in bytes. */
const LONGEST = 1024 * 1024;

/** In `EVS_CONTEXT`: no context, whichever is the current one. */
export const NO_CONTEXT = "none";

/** What a name looks like. */
export function isContextName(name: string): boolean {
  return /^[A-Za-z0-9._-]{1,64}$/.test(name) && name !== NO_CONTEXT;
}

/** Reads the contexts; none if there is no file. */
export function readContexts(file: string | undefined): Contexts {
  const info = file === undefined ? undefined : statOf(file);
  if (file === undefined || info === undefined) return { places: new Map() };
  if (!info.isFile || info.size > LONGEST) throw invalidFile(file, "it is no file of contexts");
  let text: string;
  try {
    text = Deno.readTextFileSync(file);
  } catch (error) {
    if (error instanceof Deno.errors.PermissionDenied) return { places: new Map() };
    throw error;
  }
  return parseContexts(text, file);
}

/**
 * Undefined if there is no such file. So it is in a home that is none (`HOME=/dev/null`), and in
 * that of another user (`sudo -u`), whose contexts are not ours.
 */
function statOf(file: string): Deno.FileInfo | undefined {
  try {
    return Deno.statSync(file);
  } catch (error) {
    const { NotADirectory, NotFound, PermissionDenied } = Deno.errors;
    if ([NotADirectory, NotFound, PermissionDenied].some((kind) => error instanceof kind)) {
      return undefined;
    }
    if (error instanceof Deno.errors.FilesystemLoop) {
      throw invalidFile(file, "it is a link that leads nowhere", error);
    }
    throw error;
  }
}

/** Reads the text of such a file; `file` is named in errors. Pure. */
export function parseContexts(text: string, file: string): Contexts {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw invalidFile(file, "it is not JSON", cause);
  }
  const { current, contexts } = objectOf(value) ?? {};
  const named = objectOf(contexts);
  if (named === undefined) throw invalidFile(file, 'it has no object "contexts"');
  const places = new Map<string, ContextPlaces>();
  for (const [name, given] of Object.entries(named)) {
    if (!isContextName(name)) throw invalidFile(file, `${JSON.stringify(name)} is no name`);
    places.set(name, placesOf(given, { name, file }));
  }
  if (current === undefined) return { places };
  if (typeof current === "string" && places.has(current)) return { current, places };
  throw invalidFile(file, `"current" names no context: ${JSON.stringify(current).slice(0, 80)}`);
}

function placesOf(given: unknown, { name, file }: { name: string; file: string }): ContextPlaces {
  const paths = Object.entries(objectOf(given) ?? {});
  const isPath = ([place, path]: [string, unknown]) =>
    Object.hasOwn(PLACE_VARIABLES, place) && typeof path === "string" && /^\/[^\0]*$/.test(path);
  if (paths.length > 0 && paths.every(isPath)) return Object.fromEntries(paths);
  throw invalidFile(file, `${name} has other members than absolute paths named ${PLACES}`);
}

const PLACES = Object.keys(PLACE_VARIABLES).join(", ");

function objectOf(value: unknown): Record<string, unknown> | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? value as Record<string, unknown>
    : undefined;
}

function invalidFile(file: string, reason: string, cause?: unknown): InvalidArgumentError {
  return new InvalidArgumentError(`the contexts in ${file} cannot be used: ${reason}`, {
    code: "context/invalid-file",
    hint: "repair or remove that file",
    details: { file },
    cause,
  });
}

/** The places of a context. Throws `EvsError` if there is none of this name. */
export function placesNamed({ places }: Contexts, name: string): ContextPlaces {
  const found = places.get(name);
  if (found !== undefined) return found;
  const known = [...places.keys()];
  throw new EvsError(
    { code: "context/not-found", status: 404, exit: ExitCode.NotFound },
    `there is no context ${JSON.stringify(name)}${
      known.length === 0 ? "" : `; there are ${known.join(", ")}`
    }`,
    { hint: known.length === 0 ? "evs context set NAME --data-dir FOLDER" : "evs context list" },
  );
}

/**
 * Decides which context is used; undefined if none is. A name on the command line comes first, then
 * places in the environment, then names there, then the current context. Pure.
 */
export function chosenContext(
  { given, env, current }: {
    given: string | undefined;
    env: (name: string) => string | undefined;
    current: string | undefined;
  },
): ChosenContext | undefined {
  if (given === NO_CONTEXT) return undefined;
  if (given !== undefined) return { name: given, by: "--context" };
  if (env("EVS_SOCKET") || env("EVS_DATA_DIR")) return undefined;
  const name = env("EVS_CONTEXT");
  if (name === NO_CONTEXT) return undefined;
  if (name) return { name, by: "EVS_CONTEXT" };
  return current === undefined ? undefined : { name: current, by: "evs context use" };
}

/**
 * Puts the places of the context in use into this process's environment, and returns it. With a
 * name from the command line, places in the environment are another daemon's and are dropped; else
 * a config file in the environment stays.
 */
export function useContext(given?: string): ChosenContext | undefined {
  const contexts = readContexts(contextsFile(environment));
  const chosen = chosenContext({ given, env: environment, current: contexts.current });
  if (chosen === undefined) return undefined;
  const places = placesNamed(contexts, chosen.name);
  for (const [place, variable] of Object.entries(PLACE_VARIABLES)) {
    const path = places[place as keyof ContextPlaces];
    if (given !== undefined) Deno.env.delete(variable);
    else if (environment(variable)) continue;
    if (path !== undefined) Deno.env.set(variable, path);
  }
  return chosen;
}
