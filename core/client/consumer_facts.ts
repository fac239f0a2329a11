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

/**
 * Who acts from this process, for the audit log. Facts that need a missing permission are left out,
 * and none is asked for: nobody should have to answer a prompt for that.
 */
export function actorClaim(
  way: ActorClaim["way"],
  { command }: { command?: string } = {},
): ActorClaim {
  return {
    way,
    pid: Deno.pid,
    ...defined({
      user: variable("USER") ?? variable("LOGNAME"),
      host: isGranted({ name: "sys", kind: "hostname" }) ? Deno.hostname() : undefined,
      command: command ?? (isGranted({ name: "read" }) ? mainModule() : undefined),
    }),
  };
}

function variable(name: string): string | undefined {
  if (!isGranted({ name: "env", variable: name })) return undefined;
  try {
    return Deno.env.get(name);
  } catch (error) {
    if (error instanceof Deno.errors.InvalidData) return undefined; // it is not UTF-8
    throw error;
  }
}

function isGranted(permission: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(permission).state === "granted";
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
