/**
 * What a flag or positional accepts, derived from its placeholder: names that the running daemon
 * knows, fixed words, files, commands.
 */
import { AUDIT_ACTS } from "../../core/event/audit.ts";
import type { NameKind } from "./names.ts";

/** What one position accepts. */
export type CompletionValue =
  | { kind: "names"; of: NameKind }
  | { kind: "words"; words: readonly string[] }
  /** `start`, `end`, `-N` and `@TIME`. */
  | { kind: "offsets" }
  | { kind: "files" }
  /** `@` and a file, or anything. */
  | { kind: "payload" }
  /** The type of a schema, or a folder of them. */
  | { kind: "schemas-or-folders" }
  | { kind: "commands" }
  | { kind: "any" };

/** What `placeholder` stands for in the command at `path`. */
export function valueFor(placeholder: string, path: string): CompletionValue {
  const [group] = path.split(" ");
  switch (placeholder) {
    case "TOPIC":
    case "PATTERN":
      return { kind: "names", of: "topics" };
    case "NAME":
    case "SUBSCRIPTION":
      return { kind: "names", of: "subscriptions" };
    case "CONTEXT":
      return { kind: "names", of: "contexts" };
    case "TYPE":
      if (path === "schema register") return { kind: "schemas-or-folders" };
      return { kind: "names", of: typesIn[group ?? ""] ?? "types" };
    case "GROUP":
      return { kind: "names", of: "dead-letter-groups" };
    case "VERSION":
    case "OLD":
    case "NEW":
      return { kind: "names", of: "versions" };
    case "ID":
      if (group === "scheduled" || group === "spool") return { kind: "names", of: group };
      return group === "dlq" ? { kind: "names", of: "dead-letters" } : { kind: "any" };
    case "ACT":
      return { kind: "words", words: AUDIT_ACTS };
    case "NODE":
      return { kind: "names", of: "nodes" };
    case "JOB":
      return { kind: "names", of: "jobs" };
    case "OFFSET":
      return { kind: "offsets" };
    case "FILE":
    case "FOLDER":
      return { kind: "files" };
    case "PAYLOAD":
      return { kind: "payload" };
    case "WORD":
      return path === "docs" ? { kind: "names", of: "docs" } : { kind: "any" };
    case "COMMAND":
      return { kind: "commands" };
    default:
      return alternatives(placeholder);
  }
}

/** Commands that run a command of the user's own, after `--`. */
export function takesCommand(path: string): boolean {
  return /^(consume|with|service (print|install) consume)$/.test(path);
}

/** Groups in which `TYPE` is not the type of any event. */
const typesIn: Readonly<Record<string, NameKind>> = {
  schema: "schemas",
  dlq: "dead-letter-types",
};

/** The literal words of placeholders such as `always|os|interval:DURATION`. */
function alternatives(placeholder: string): CompletionValue {
  if (!placeholder.includes("|")) return { kind: "any" };
  const words = placeholder.split("|").map((word) => word.replace(":DURATION", ":200ms"))
    .filter((word) => !/[A-Z…]/.test(word));
  return words.length === 0 ? { kind: "any" } : { kind: "words", words };
}
