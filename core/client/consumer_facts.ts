/** Who this process is, for people who look at what a subscription has in hand. */
import { truncate } from "../base/truncate.ts";
import type { ConsumerRequest } from "../protocol/in_flight.ts";

/** The longest part of a command that is shown. */
const LONGEST_COMMAND = 200;

/** A new consumer of this process. What may not be asked is left out. */
export function consumerFacts(command: string): ConsumerRequest {
  const host = allowed(() => Deno.hostname());
  return {
    id: crypto.randomUUID(),
    pid: Deno.pid,
    ...(host === undefined ? {} : { host }),
    ...(command === "" ? {} : { command: truncate(command, LONGEST_COMMAND) }),
  };
}

/** What this program is, where that may be asked. */
export function mainModule(): string {
  return allowed(() => decodeURIComponent(new URL(Deno.mainModule).pathname)) ?? "";
}

function allowed<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch (error) {
    // The process runs without the permission: then nobody is told.
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}
