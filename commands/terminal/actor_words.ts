/** Who did something, as that claimed, for people. Pure. */
import type { Actor } from "../../core/event/audit.ts";

/** `ada@desk`, or what of it is known. */
export function actorName({ user, host }: Actor): string {
  return [user, host].filter(Boolean).join("@");
}

/** `evs dlq retry, pid 4711`, or what of it is known. */
export function actorProcess({ command, pid }: Actor): string {
  return [command, pid === undefined ? undefined : `pid ${pid}`].filter(Boolean).join(", ");
}

/** Both. */
export function actorWords(actor: Actor): string {
  return [actorName(actor), actorProcess(actor)].filter(Boolean).join(", ");
}
