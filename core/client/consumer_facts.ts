/** Describes this process, for people who look at a subscription's deliveries in flight. */
import { truncate } from "../base/truncate.ts";
import { defined } from "../base/defined.ts";
import type { ActorClaim } from "../protocol/actor.ts";
import type { ConsumerRequest } from "../protocol/in_flight.ts";

/** Longest part of a command that is shown. */
const LONGEST_COMMAND = 200;

/** A new consumer of this process. Facts that need a missing permission are left out. */
export function consumerFacts(command: string): ConsumerRequest {
  return {
    id: crypto.randomUUID(),
    pid: Deno.pid,
    host: allowed(() => Deno.hostname()),
    command: command === "" ? undefined : truncate(command, LONGEST_COMMAND),
  };
}

/** Who acts from this process, for the audit log. */
export function actorClaim(
  way: ActorClaim["way"],
  { command, env }: { command: string; env: (name: string) => string | undefined },
): ActorClaim {
  return {
    way,
    pid: Deno.pid,
    ...defined({
      user: env("USER") ?? env("LOGNAME"),
      host: allowed(() => Deno.hostname()),
      command: command === "" ? undefined : command,
    }),
  };
}

/** The path of this program, if the permission to ask for it is granted. */
export function mainModule(): string {
  return allowed(() => decodeURIComponent(new URL(Deno.mainModule).pathname)) ?? "";
}

function allowed<T>(ask: () => T): T | undefined {
  try {
    return ask();
  } catch (error) {
    // The permission is missing: leave the fact out.
    if (error instanceof Deno.errors.NotCapable) return undefined;
    throw error;
  }
}
