/** Shared code of the commands on contexts. */
import { plainText } from "../cli/define.ts";
import type { ContextPlaces, Contexts } from "./contexts.ts";

/** The name as the only argument. */
export const contextArgument = {
  kind: "tuple",
  parameters: [{ parse: plainText, brief: "The context", placeholder: "CONTEXT" }],
} as const;

/** One context as it is printed. */
export interface ContextRow extends ContextPlaces {
  name: string;
  current: boolean;
}

/** One context, to be printed. */
export function contextRow({ current, places }: Contexts, name: string): ContextRow {
  return { name, current: name === current, ...places.get(name) };
}

/** The same for people. */
export function contextCells({ name, current, socket, dataDir, config }: ContextRow) {
  return { name, current: current ? "*" : "", "data dir": dataDir, socket, config };
}
