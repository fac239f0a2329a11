/**
 * `evs completions names KIND [TYPED] [WORD...]`: how the completion scripts ask the daemon for
 * names. TYPED is the word being completed; the WORDs are the arguments before it, such as the
 * topics whose types are wanted.
 *
 * It runs at every Tab, so it does not load the rest of the command-line tool, and it prints nothing
 * if no daemon answers in time.
 */
import { type Clock, systemClock } from "../../core/base/clock.ts";
import { EvsError, ExitCode, InvalidArgumentError } from "../../core/base/errors.ts";
import type { HttpRequest, HttpResponse } from "../../core/client/connection.ts";
import { DaemonAddress } from "../../core/client/daemon_address.ts";
import { remoteError } from "../../core/client/endpoint.ts";
import { readContexts, useContext } from "../context/contexts.ts";
import { contextsFile, environment, type Paths, resolvePaths } from "../../core/protocol/paths.ts";
import { escapeText } from "../terminal/escape.ts";
import { ClosedPipe, Output } from "../terminal/output.ts";

/** Names that the daemon knows. `types` are those with a schema and those of recent events. */
export const nameKinds = [
  "topics",
  "subscriptions",
  "schemas",
  "versions",
  "types",
  "dead-letters",
  "dead-letter-types",
  "dead-letter-groups",
  "scheduled",
  "jobs",
  "nodes",
] as const;
/** For the words of the documentation, contexts and the spool, no daemon is asked. */
const OWN_KINDS = ["docs", "contexts", "spool"] as const;
export type NameKind = typeof nameKinds[number] | typeof OWN_KINDS[number];

/** What a script asks for. */
export interface NameQuery {
  kind: NameKind;
  /** The word being completed. */
  typed: string;
  /** The arguments before it. */
  words: readonly string[];
}

/** How long to wait for the daemon, ms: somebody has pressed Tab. */
const PATIENCE_MS = 800;
/** How many of the newest dead letters are offered. */
const DEAD_LETTERS = 200;
/** How many of the newest events are examined: a few first, in case events are large. */
const NEWEST = [10, 200];
/** How many of the topics are asked for their types. */
const MOST_TOPICS = 8;

/** Prints one name per line; nothing, with exit code 0, if no daemon answers. */
export async function printNames(argv: readonly string[]): Promise<number> {
  const query = nameQuery(argv);
  const names = query.kind === "docs"
    ? await documentedWords(query.words)
    : query.kind === "contexts"
    ? [...readContexts(contextsFile(environment)).places.keys()].filter(isOffered)
    : query.kind === "spool"
    ? await spooledIds()
    : await findNames(query, { paths: pathsHere(), clock: systemClock });
  try {
    new Output(Deno.stdout).writeSync(names.map((name) => `${name}\n`).join(""));
  } catch (error) {
    if (!(error instanceof ClosedPipe)) throw error;
  }
  return ExitCode.Ok;
}

function pathsHere(): Paths {
  useContext();
  return resolvePaths(environment);
}

/** Reads `KIND [TYPED] [WORD...]`. Throws `InvalidArgumentError` for an unknown KIND. */
export function nameQuery([word = "", typed = "", ...words]: readonly string[]): NameQuery {
  const kind = [...nameKinds, ...OWN_KINDS].find((known) => known === word);
  if (kind !== undefined) return { kind, typed, words };
  throw new InvalidArgumentError(`there are no names of ${word}`, {
    hint: `one of ${nameKinds.join(", ")}`,
  });
}

/** The ids of the files in the spool. */
async function spooledIds(): Promise<string[]> {
  const { filesOf } = await import("../spool/files.ts");
  const { spoolPlace } = await import("../spool/place.ts");
  const place = await spoolPlace({ paths: pathsHere(), env: environment });
  return [...filesOf(place)].map(({ id }) => id);
}

/** What may follow the words typed after `evs docs`; nothing if no page is installed. */
async function documentedWords(typed: readonly string[]): Promise<string[]> {
  const { documentationFolder } = await import("../manual/folder.ts");
  const { readManual, wordsAfter } = await import("../manual/sections.ts");
  try {
    return wordsAfter(await readManual(documentationFolder()), typed).filter(isOffered);
  } catch (error) {
    if (error instanceof EvsError && error.code === "docs/not-installed") return [];
    throw error;
  }
}

/** The distinct names found in time. */
async function findNames(
  query: NameQuery,
  { paths, clock }: { paths: Paths; clock: Clock },
): Promise<string[]> {
  const found = new Set<string>();
  let cancel = () => {};
  const wait = (ms: number) =>
    new Promise<void>((resolve) => void (cancel = clock.setTimer(resolve, ms)));
  // In two halves: after a standstill a timer fires before bytes that have arrived are read.
  const late = wait(PATIENCE_MS / 2).then(() => wait(PATIENCE_MS / 2));
  try {
    await Promise.race([collect(query, { paths, clock, found }), late]);
  } catch (error) {
    // Nobody wants messages about a missing or lost daemon while typing.
    if (!(error instanceof EvsError) || error.exit !== ExitCode.NoDaemon) throw error;
  } finally {
    cancel();
  }
  return [...found].filter(isOffered);
}

/** Leaves out names that could control a terminal, and those that would be taken for flags. */
function isOffered(name: string): boolean {
  return escapeText(name) === name && !name.startsWith("-");
}

type Ask = (request: Pick<HttpRequest, "path" | "query">) => Promise<HttpResponse>;

async function collect(
  query: NameQuery,
  { paths, clock, found }: { paths: Paths; clock: Clock; found: Set<string> },
): Promise<void> {
  const connection = await new DaemonAddress({ paths, clock, watch: false }).connect();
  const ask: Ask = async (request) => {
    const response = await connection.request({ method: "GET", ...request });
    if (response.status >= 400) throw await remoteError(response);
    return response;
  };
  try {
    for await (const name of namesOf(query, ask)) found.add(name);
  } finally {
    connection.close();
  }
}

async function* namesOf({ kind, typed, words }: NameQuery, ask: Ask): AsyncGenerator<string> {
  switch (kind) {
    case "topics":
      yield* (await list<{ name: string }>(ask, kind)).map(({ name }) => name);
      break;
    case "subscriptions":
      yield* (await list<{ name: string }>(ask, kind)).map(({ name }) => name);
      break;
    case "schemas":
      yield* (await list<{ type: string }>(ask, kind)).map(({ type }) => type);
      break;
    case "versions":
      for (
        const { type, version } of await list<{ type: string; version: string }>(ask, "schemas")
      ) {
        if (words.includes(type)) yield version;
      }
      break;
    case "types":
      yield* (await list<{ type: string }>(ask, "schemas")).map(({ type }) => type);
      for (const topic of words.slice(0, MOST_TOPICS)) yield* typesOf(topic, ask);
      break;
    case "scheduled":
      yield* (await list<{ id: string }>(ask, kind)).map(({ id }) => id);
      break;
    case "jobs":
      for (const { job } of await jobs(ask)) {
        yield job;
      }
      break;
    case "nodes":
      yield* (await list<{ node: string }>(ask, kind)).map(({ node }) => node);
      break;
    case "dead-letters":
      yield* idsOf(await deadLetters(ask), typed);
      break;
    case "dead-letter-groups": {
      const reply = await ask({ path: "/v1/dead-letter-groups", query: { state: "all" } });
      yield* (await reply.json<{ groups: { id: string }[] }>()).groups.map(({ id }) => id);
      break;
    }
    case "dead-letter-types":
      for (const { type } of await deadLetters(ask)) yield type;
      break;
  }
}

async function list<T>(
  ask: Ask,
  what: "topics" | "subscriptions" | "schemas" | "scheduled" | "nodes",
): Promise<T[]> {
  const reply = await (await ask({ path: `/v1/${what}` })).json<Record<string, T[]>>();
  return reply[what] ?? [];
}

/** The types of a topic's newest events; the daemon keeps no list of types. */
async function* typesOf(topic: string, ask: Ask): AsyncGenerator<string> {
  for (const count of NEWEST) {
    const query = { topic, from: `-${count}` };
    const events = await whereThere(() => ask({ path: "/v1/events", query }));
    if (events === undefined) return;
    for await (const { type } of parsed<{ type: string }>(events)) yield type;
  }
}

/** Undefined if the topic does not exist or its name is invalid: it may be incomplete. */
async function whereThere<T>(work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof EvsError && NO_TOPIC.includes(error.code)) return undefined;
    throw error;
  }
}

const NO_TOPIC = ["topic/not-found", "topic/invalid-name", "topic/invalid-pattern"];

async function jobs(ask: Ask): Promise<{ job: string }[]> {
  const reply = await ask({ path: "/v1/dead-letter-jobs" });
  return (await reply.json<{ jobs: { job: string }[] }>()).jobs;
}

interface DeadLetterName {
  id: string;
  subscription: string;
  type: string;
}

async function deadLetters(ask: Ask): Promise<DeadLetterName[]> {
  const response = await ask({ path: "/v1/dead-letters", query: { limit: DEAD_LETTERS } });
  return await Array.fromAsync(parsed<DeadLetterName>(response));
}

/** Ids, and `SUBSCRIPTION:ID` for ids that are ambiguous or once a colon was typed. */
function* idsOf(letters: readonly DeadLetterName[], typed: string): Generator<string> {
  const times = new Map<string, number>();
  for (const { id } of letters) times.set(id, (times.get(id) ?? 0) + 1);
  yield* times.keys();
  for (const { id, subscription } of letters) {
    if (typed.includes(":") || times.get(id)! > 1) yield `${subscription}:${id}`;
  }
}

async function* parsed<T>(response: HttpResponse): AsyncGenerator<T> {
  for await (const line of response.lines()) {
    if (line.length > 0) yield JSON.parse(decoder.decode(line)) as T;
  }
}

const decoder = new TextDecoder();
