/** What was done, by which way and by whom. Pure. */
import { escapeText } from "./format.ts";

/** An act as the daemon recorded it. */
export interface AuditAct {
  number: number;
  at: number;
  act: string;
  way: string;
  by?: { user?: string; host?: string; pid?: number; command?: string };
  topic?: string;
  subscription?: string;
  details?: Record<string, unknown>;
}

/** Who did it, as the client said. */
export function actorText({ way, by = {} }: AuditAct): string {
  const { user, host, pid, command } = by;
  const who = [user, host].filter((part) => part !== undefined).join("@");
  const process = [command, pid === undefined ? undefined : `pid ${pid}`]
    .filter((part) => part !== undefined).join(", ");
  const all = [who, process].filter((part) => part !== "").join(": ");
  return escapeText(all === "" ? way : `${way}: ${all}`);
}

/** The details on one line. */
export function detailsText({ details }: AuditAct): string {
  if (details === undefined) return "";
  return Object.entries(details)
    .map(([name, value]) => `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`)
    .map(escapeText).join(", ");
}
