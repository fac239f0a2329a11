/** `evs context list`. */
import { contextsFile } from "../../core/protocol/paths.ts";
import { verb } from "../cli/define.ts";
import { readContexts } from "./contexts.ts";
import { contextCells, contextRow } from "./shared.ts";

export const route = verb({
  brief: "List the contexts",
  examples: [["context list", "The current one has a star."]],
  needsDaemon: false,
  parameters: { positional: { kind: "tuple", parameters: [] } },
  async run() {
    const contexts = readContexts(contextsFile(this.env));
    const rows = [...contexts.places.keys()].sort().map((name) => contextRow(contexts, name));
    if (rows.length === 0) {
      this.note("there are no contexts: evs context set NAME --data-dir FOLDER");
    }
    await this.printRows(rows, contextCells, { drop: ["config", "socket"] });
  },
});
