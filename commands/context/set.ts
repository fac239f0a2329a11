/** `evs context set`. */
import { InvalidArgumentError } from "../../core/base/errors.ts";
import { verb } from "../cli/define.ts";
import { changeContexts } from "./change.ts";
import { type ContextPlaces, isContextName, NO_CONTEXT, PLACE_VARIABLES } from "./contexts.ts";
import { contextArgument, contextCells, contextRow } from "./shared.ts";

export const route = verb<NonNullable<unknown>, [context: string]>({
  brief: "Give a daemon's places a name",
  description:
    "Gives the places named by --data-dir, --socket and --config a name, in place of what it had before. " +
    "A data dir is enough: its daemon is found by it.",
  examples: [
    ["context set staging --data-dir ~/staging", "The daemon of this data dir."],
    ["context set machine --socket /run/evs/evs.sock", "The machine's daemon, by its socket."],
  ],
  usage: ["CONTEXT [--data-dir FOLDER] [--socket FILE] [--config FILE]"],
  needsDaemon: false,
  parameters: { positional: contextArgument },
  async run(_flags, name) {
    if (name === NO_CONTEXT) {
      throw new InvalidArgumentError("none is no name for a context: EVS_CONTEXT=none means none", {
        code: "context/invalid-name",
        hint: "evs context set staging --data-dir FOLDER",
      });
    }
    if (!isContextName(name)) {
      throw new InvalidArgumentError(
        `a context's name has 1 to 64 characters of A-Z a-z 0-9 . _ -, not ${JSON.stringify(name)}`,
        { code: "context/invalid-name", hint: "evs context set staging --data-dir FOLDER" },
      );
    }
    const places: ContextPlaces = {};
    for (const [place, variable] of Object.entries(PLACE_VARIABLES)) {
      // Flags are in the environment by now, as absolute paths.
      if (this.places?.[variable] !== undefined) {
        places[place as keyof ContextPlaces] = this.env(variable);
      }
    }
    if (Object.keys(places).length === 0) {
      throw new InvalidArgumentError("name --data-dir, --socket or --config", {
        code: "argument/usage",
        hint: `evs context set ${name} --data-dir FOLDER`,
      });
    }
    const contexts = changeContexts(this.env, (all) => void all.places.set(name, places));
    await this.printFacts(contextRow(contexts, name), contextCells);
  },
});
