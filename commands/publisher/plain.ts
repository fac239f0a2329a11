/**
 * `evs publish TOPIC TYPE PAYLOAD` with nothing else: the command line that scripts run most. It
 * needs no parser, so it is done with the few modules that a request takes; a start costs half of
 * what the whole command line tool costs. Anything that is not plain, and any error, goes the
 * common way.
 */
import { systemClock } from "../../core/base/clock.ts";
import { DaemonAddress } from "../../core/client/daemon_address.ts";
import { publishRequest, remoteError } from "../../core/client/endpoint.ts";
import { environment, resolvePaths } from "../../core/protocol/paths.ts";
import type { PublishReply } from "../../core/protocol/protocol.ts";
import { ClosedPipe, Output } from "../terminal/output.ts";
import { formatReceipt, told } from "./receipt.ts";

/** True for three plain words behind `publish`. */
export function isPlainPublish(argv: readonly string[]): boolean {
  return argv.length === 4 && argv[0] === "publish" &&
    argv.every((word) => !word.startsWith("-")) && !argv[3]?.startsWith("@");
}

/**
 * Publishes one event and prints its receipt. False where that has to be done the common way, after
 * all.
 */
export async function publishPlain(argv: readonly string[]): Promise<boolean> {
  const [, topic = "", type, body = ""] = argv;
  const paths = resolvePaths(environment);
  const address = new DaemonAddress({ paths, clock: systemClock, watch: true });
  const connection = await address.connect();
  const response = await connection.request(publishRequest(topic, { body, query: { type } }));
  if (response.status >= 400) {
    const error = await remoteError(response);
    // The daemon is being replaced: the common way knows how to ask its successor.
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
