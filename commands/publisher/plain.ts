/**
 * `evs publish TOPIC TYPE PAYLOAD` without flags: what scripts run most often. It needs no parser
 * and only the few modules that a request takes; startup costs half of the full command line tool.
 * Anything else, and any error, takes the normal path.
 */
import { systemClock } from "../../core/base/clock.ts";
import { DaemonAddress } from "../../core/client/daemon_address.ts";
import { publishRequest, remoteError } from "../../core/client/endpoint.ts";
import { environment, resolvePaths } from "../../core/protocol/paths.ts";
import type { PublishReply } from "../../core/protocol/protocol.ts";
import { ClosedPipe, Output } from "../terminal/output.ts";
import { formatReceipt, told } from "./receipt.ts";

/** True for three plain words after `publish`. */
export function isPlainPublish(argv: readonly string[]): boolean {
  return argv.length === 4 && argv[0] === "publish" &&
    argv.every((word) => !word.startsWith("-")) && !argv[3]?.startsWith("@");
}

/**
 * Publishes one event and prints its receipt. False if this has to take the normal path after all.
 */
export async function publishPlain(argv: readonly string[]): Promise<boolean> {
  const [, topic = "", type, body = ""] = argv;
  const paths = resolvePaths(environment);
  const address = new DaemonAddress({ paths, clock: systemClock, watch: true });
  const connection = await address.connect();
  const response = await connection.request(publishRequest(topic, { body, query: { type } }));
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
