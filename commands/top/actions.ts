/** What the keys of `evs top` can do, each with the command line that does the same. Pure. */
import { shellQuote } from "../../core/base/shell_quote.ts";
import { plural } from "../terminal/table.ts";

/** Something to do once it is confirmed. */
export type Action =
  | { kind: "pause"; name: string }
  | { kind: "resume"; name: string }
  | { kind: "retry"; group: string; count: number }
  | { kind: "event"; topic: string; seq: number }
  | { kind: "dead-letter"; name: string; topic: string };

/** The words of its command line, without the program. */
export function commandOf(action: Action): string[] {
  switch (action.kind) {
    case "pause":
      return ["subscription", "pause", action.name];
    case "resume":
      return ["subscription", "resume", action.name];
    case "retry":
      return ["dlq", "retry", "--group", action.group];
    case "event":
      return ["get", action.topic, String(action.seq)];
    case "dead-letter":
      return ["dlq", "show", action.name, "--topic", action.topic];
  }
}

/** The command line, ready for a shell; `place`: the flags that name the daemon. */
export function typedCommand(action: Action, place: readonly string[]): string {
  return ["evs", ...commandOf(action), ...place].map(shellQuote).join(" ");
}

/** What is asked before it is done. */
export function questionOf(action: Action): string {
  switch (action.kind) {
    case "pause":
      return `Pause ${action.name}? Its consumers finish what they have; nothing is lost.`;
    case "resume":
      return `Resume ${action.name}?`;
    case "retry":
      return `Redeliver ${plural(action.count, "dead letter")} with this cause?`;
    case "event":
      return `Show event ${action.seq} of ${action.topic}, with its payload?`;
    case "dead-letter":
      return `Show the dead letter ${action.name}, with its payload?`;
  }
}
