/**
 * What the dashboard answers by itself: what it is, the daemon's log, and what `evs doctor` finds.
 * The log and the doctor work without a daemon, too.
 */
import type { ServerResponse } from "node:http";
import { once } from "node:events";
import type { Client } from "../../core/client/client.ts";
import { EvsError, ExitCode, InvalidArgumentError } from "../../core/base/errors.ts";
import { launcherFolder } from "../../core/base/program.ts";
import { shellQuote } from "../../core/base/shell_quote.ts";
import { VERSION } from "../../core/base/version.ts";
import type { Paths } from "../../core/protocol/paths.ts";
import { followLog, lastLines, type LogEnd } from "../daemon/log_file.ts";
import { refusal } from "./guard.ts";
import { answerJson, begin } from "./replies.ts";

/** What they need. */
export interface OwnRoutesOptions {
  client: Client;
  paths: Paths;
  readOnly: boolean;
}

/** An answer to a request of our own. */
export type OwnRoute = (
  response: ServerResponse,
  about: { query: URLSearchParams; signal: AbortSignal },
) => Promise<void>;

/** The most lines of the log in one answer. */
const MAX_LINES = 5000;
const NDJSON = { "content-type": "application/x-ndjson" };

/** The routes by their paths; all of them are read with `GET`. */
export function ownRoutes(options: OwnRoutesOptions): ReadonlyMap<string, OwnRoute> {
  let examined = false;
  return new Map<string, OwnRoute>([
    ["/dashboard/session", (response) => sendSession(response, options)],
    ["/dashboard/logs", (response, about) => sendLog(response, { ...about, ...options })],
    ["/dashboard/doctor", async (response, about) => {
      if (examined) {
        throw refusal(
          { code: "dashboard/busy", status: 503 },
          "the doctor is examining already",
          { hint: "try again when it has finished" },
        );
      }
      examined = true;
      try {
        await sendDiagnoses(response, about);
      } finally {
        examined = false;
      }
    }],
  ]);
}

async function sendSession(
  response: ServerResponse,
  { client, paths, readOnly }: OwnRoutesOptions,
): Promise<void> {
  const dataDir = await dataDirOf(client, paths);
  answerJson(response, {
    version: VERSION,
    readOnly,
    socket: client.socket,
    dataDir,
    command: commandFor(paths),
  });
}

/** Where the daemon has its data: another place than ours if it is the system's. */
async function dataDirOf(client: Client, { dataDir }: Paths): Promise<string> {
  try {
    return (await client.status()).dataDir;
  } catch (error) {
    if (error instanceof EvsError) return dataDir;
    throw error;
  }
}

/** How a command line begins that reaches the same daemon. */
function commandFor({ chosen, socket, dataDir }: Paths): string {
  if (chosen === "socket") return `EVS_SOCKET=${shellQuote(socket)} evs`;
  if (chosen === "data-dir") return `EVS_DATA_DIR=${shellQuote(dataDir)} evs`;
  return "evs";
}

async function sendLog(
  response: ServerResponse,
  { query, signal, client, paths }: OwnRoutesOptions & {
    query: URLSearchParams;
    signal: AbortSignal;
  },
): Promise<void> {
  const lines = Number(query.get("lines") ?? "200");
  if (!Number.isInteger(lines) || lines < 0 || lines > MAX_LINES) {
    throw new InvalidArgumentError(`lines is a number from 0 to ${MAX_LINES}`);
  }
  const path = `${await dataDirOf(client, paths)}/log/daemon.log`;
  const end = logEnd(path, lines);
  begin(response, 200, NDJSON);
  await write(response, { piece: end.lines, signal });
  if (query.has("follow")) {
    for await (const piece of followLog(path, { from: end.size, signal })) {
      await write(response, { piece, signal });
    }
  }
  response.end();
}

function logEnd(path: string, lines: number): LogEnd {
  try {
    return lastLines(path, lines);
  } catch (error) {
    const isMissing = error instanceof Deno.errors.NotFound;
    if (!isMissing && !(error instanceof Deno.errors.PermissionDenied)) throw error;
    throw new EvsError(
      { code: "log/not-found", status: 404, exit: ExitCode.NotFound },
      isMissing ? `there is no log at ${path}` : `this user may not read the log at ${path}`,
      { hint: isMissing ? "evs daemon start" : `sudo cat ${shellQuote(path)}`, cause: error },
    );
  }
}

/** In a process of its own: it reads everything there is, and others are answered meanwhile. */
async function sendDiagnoses(
  response: ServerResponse,
  { query, signal }: { query: URLSearchParams; signal: AbortSignal },
): Promise<void> {
  const args = ["doctor", "--json", ...(query.get("quick") === "1" ? ["--quick"] : [])];
  const child = new Deno.Command(evsProgram(), {
    args,
    env: Deno.build.standalone ? {} : { EVS_DENO: Deno.execPath() },
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const end = () => {
    try {
      child.kill("SIGTERM");
    } catch (error) {
      // It has ended, and what it said is still on its way.
      if (!(error instanceof TypeError)) throw error;
    }
  };
  signal.addEventListener("abort", end, { once: true });
  const words = new Response(child.stderr).text();
  try {
    for await (const piece of child.stdout) {
      if (!response.headersSent) begin(response, 200, NDJSON);
      await write(response, { piece, signal });
    }
    await child.status;
    if (!response.headersSent) throw refused(await words);
    response.end();
  } finally {
    signal.removeEventListener("abort", end);
    await Promise.all([child.status, words]);
  }
}

/** This `evs`. */
function evsProgram(): string {
  return Deno.build.standalone ? Deno.execPath() : `${launcherFolder()}/evs`;
}

/** Why the doctor has examined nothing: its error, which it printed as JSON. */
function refused(words: string): EvsError {
  try {
    const { code, message, hint } = JSON.parse(words).error;
    return new EvsError({ code, status: 500, exit: ExitCode.CannotStore }, message, { hint });
  } catch (cause) {
    return new EvsError(
      { code: "internal/bug", status: 500, exit: ExitCode.Bug },
      `evs doctor said nothing that can be read: ${words.slice(0, 500)}`,
      { cause },
    );
  }
}

async function write(
  response: ServerResponse,
  { piece, signal }: { piece: Uint8Array; signal: AbortSignal },
): Promise<void> {
  if (piece.length > 0 && !response.write(piece)) await once(response, "drain", { signal });
}
