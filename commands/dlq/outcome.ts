/** The result of an action on dead letters, as text. */
import type { DeadLetterActionReply } from "../../core/protocol/protocol.ts";
import { NotFoundError } from "../../core/base/errors.ts";
import { plural } from "../terminal/table.ts";

/** `3 dead letters (mailer 2, billing 1)`. */
export function countReply(reply: DeadLetterActionReply): string {
  const parts = Object.entries(reply.bySubscription).map(([name, count]) => `${name} ${count}`);
  const where = parts.length === 0 ? "" : ` (${parts.join(", ")})`;
  return `${plural(reply.count, "dead letter")}${where}`;
}

/** Throws if ids were given and none of them is a dead letter. */
export function assertFound(reply: DeadLetterActionReply, ids: readonly string[]): void {
  if (reply.count > 0 || ids.length === 0) return;
  const named = ids.length === 1 ? ids[0] : `any of the ${ids.length} ids`;
  throw new NotFoundError("dead-letter", `no dead letter for ${named}`, { hint: "evs dlq list" });
}
