/**
 * `evs publish TOPIC TYPE PAYLOAD` without flags: what scripts run most often. It needs no parser
 * and only the few modules that a request takes; startup costs half of the full command line tool.
 * Anything else, and a daemon that is not found at once, takes the normal path.
 */
import { programFile } from "../../core/base/program.ts";
import { Connection, QUIET_MS } from "../../core/client/connection.ts";
import { publishRequest, remoteError } from "../../core/client/endpoint.ts";
import { socketCandidates } from "../../core/protocol/holder.ts";
import { contextsFile, environment, type Paths, resolvePaths } from "../../core/protocol/paths.ts";
import type { PublishReply } from "../../core/protocol/protocol.ts";
import { ClosedPipe, Output } from "../terminal/output.ts";
import { formatReceipt, told } from "./receipt.ts";

/** True for three plain words after `publish`, of which the payload alone may be empty. */
export function isPlainPublish(argv: readonly string[]): boolean {
  return argv.length === 4 && argv[0] === "publish" &&
    argv.every((word) => !word.startsWith("-")) && !argv[3]?.startsWith("@") &&
    argv[1] !== "" && argv[2] !== "";
}

/**
 * Publishes one event and prints its receipt. False if this has to take the normal path after all:
 * nothing was stored.
 */
export async function publishPlain(argv: readonly string[]): Promise<boolean> {
  const [, topic = "", type, body = ""] = argv;
  if (mayHaveContext()) await useContext();
  const paths = resolvePaths(environment);
  const found = await connect(paths);
  if (found === undefined) return false;
  const inherited = await inheritedMetadata();
  if (inherited === undefined) return false;
  const query = { type, ...inherited };
  const response = await Promise.race([
    found.connection.request(publishRequest(topic, { body, query })),
    notAnswering(found.socket, paths),
  ]);
  if (response.status >= 400) {
    const error = await remoteError(response);
    // The daemon is being replaced: the normal path can ask its successor.
    if (error.code === "daemon/stopping") return false;
    throw told(error, body);
  }
  const output = new Output(Deno.stdout);
  const reply = await response.json<PublishReply>();
  try {
    output.writeSync(formatReceipt(topic, { reply, forPeople: output.isTerminal }));
  } catch (error) {
    if (!(error instanceof ClosedPipe)) throw error;
  }
  return true;
}

/** A context says where the daemon is if nothing else does, for people who have any. */
function mayHaveContext(): boolean {
  if (environment("EVS_SOCKET") || environment("EVS_DATA_DIR")) return false;
  const name = environment("EVS_CONTEXT");
  if (name) return name !== "none";
  const file = contextsFile(environment);
  if (file === undefined) return false;
  try {
    Deno.lstatSync(file);
    return true;
  } catch {
    // Missing, or not to be looked at: the normal path says so.
    return false;
  }
}

async function useContext(): Promise<void> {
  const contexts: typeof import("../context/contexts.ts") = await import(
    programFile("commands/context/contexts.ts").href
  );
  contexts.useContext();
}

/**
 * In a handler, the event that it handles as the cause; and the trace of the environment. Undefined
 * if there is something to say about them, for which the normal path has the words.
 */
async function inheritedMetadata(): Promise<{ metadata?: string } | undefined> {
  if (!environment("EVS_SUBSCRIPTION") && !environment("TRACEPARENT")) return {};
  const { inheritedMetadata }: typeof import("./cause.ts") = await import(
    programFile("commands/publisher/cause.ts").href
  );
  const { metadata, notices } = await inheritedMetadata(environment);
  return notices.length > 0 ? undefined : { metadata: JSON.stringify(metadata) };
}

/** Undefined if none answers at once: whoever waits for one, or says why, needs more modules. */
async function connect(
  paths: Paths,
): Promise<{ connection: Connection; socket: string } | undefined> {
  for (const socket of socketCandidates(paths)) {
    try {
      return { connection: await Connection.open(socket), socket };
    } catch {
      // The normal path fails the same way, and knows what to say.
    }
  }
  return undefined;
}

/** Throws once the daemon has been silent for too long, and answers nobody else either. */
async function notAnswering(socket: string, paths: Paths): Promise<never> {
  for (;;) {
    // As the system's clock waits (core/base/clock.ts), without loading it.
    await Atomics.waitAsync(new Int32Array(new SharedArrayBuffer(4)), 0, 0, QUIET_MS).value;
    const { DaemonAddress }: typeof import("../../core/client/daemon_address.ts") = await import(
      programFile("core/client/daemon_address.ts").href
    );
    const address = new DaemonAddress({ paths, watch: false });
    const fault = await address.inquire(socket);
    if (fault !== undefined) throw fault;
  }
}
