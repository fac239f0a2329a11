/**
 * Who acts, in the header `evs-actor` of a request: `way=cli&user=anna&pid=4711`, each part
 * percent-encoded. It is what the client claims. Curl needs none: its way is `http`.
 */
import { InvalidArgumentError } from "../base/errors.ts";
import { truncate } from "../base/truncate.ts";
import type { Actor, ActOrigin } from "../event/audit.ts";

/** The header's name. */
export const ACTOR_HEADER = "evs-actor";

/** What a client may be. */
const WAYS = ["cli", "http", "library", "dashboard"] as const;
/** Longest text of a part, in characters. */
const LONGEST = 200;

/** A client that says who it is. */
export interface ActorClaim extends Actor {
  way: typeof WAYS[number];
}

/** The value of the header. */
export function encodeActor(claim: ActorClaim): string {
  return Object.entries(claim)
    .filter(([, value]) => value !== undefined && value !== "")
    .map(([name, value]) => `${name}=${encodeURIComponent(truncate(String(value), LONGEST))}`)
    .join("&");
}

/** Reads the header. Throws `InvalidArgumentError` for parts that it does not have. */
export function decodeActor(header: string | undefined): Omit<ActOrigin, "at"> {
  const parts = new Map(new URLSearchParams(header ?? ""));
  const way = parts.get("way") ?? "http";
  const known = WAYS.find((one) => one === way);
  if (known === undefined) throw wrong(`way is ${WAYS.join(", ")}, not ${JSON.stringify(way)}`);
  parts.delete("way");
  const by: Actor = {};
  for (const [name, value] of parts) {
    if (name === "user" || name === "host" || name === "command") by[name] = textOf(name, value);
    else if (name === "pid" && /^[1-9][0-9]{0,9}$/.test(value)) by.pid = Number(value);
    else if (name === "pid") throw wrong("pid is a whole number");
    else throw wrong(`it has way, user, host, pid and command, not ${JSON.stringify(name)}`);
  }
  return { way: known, ...(Object.keys(by).length === 0 ? {} : { by }) };
}

function textOf(name: string, value: string): string {
  if (value.length <= LONGEST) return value.toWellFormed().replaceAll("\0", "\u2400");
  throw wrong(`${name} is at most ${LONGEST} characters`);
}

function wrong(why: string): InvalidArgumentError {
  return new InvalidArgumentError(`the header ${ACTOR_HEADER}: ${why}`, {
    hint: `${ACTOR_HEADER}: way=http&user=anna`,
    details: { header: ACTOR_HEADER },
  });
}
