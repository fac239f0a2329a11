/** `evs context show`. */
import { EvsError, ExitCode } from "../../core/base/errors.ts";
import { contextsFile } from "../../core/protocol/paths.ts";
import { plainText, verb } from "../cli/define.ts";
import { chosenContext, type Contexts, placesNamed, readContexts } from "./contexts.ts";
import { contextCells, contextRow } from "./shared.ts";

export const route = verb<NonNullable<unknown>, [context?: string]>({
  brief: "Show a context, or the one in use",
  description:
    "Shows the places of a context; without a name, those of the context that commands use here, and what chose it. Exit code 1 if none is used.",
  examples: [
    ["context show", "Which daemon do commands use here?"],
    ["context show staging | jq -r .dataDir", "One place of another."],
  ],
  needsDaemon: false,
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{
        parse: plainText,
        brief: "The context; default the one in use",
        placeholder: "CONTEXT",
        optional: true,
      }],
    },
  },
  async run(_flags, name) {
    const contexts = readContexts(contextsFile(this.env));
    const used = name === undefined
      ? chosenContext({ given: this.contextGiven, env: this.env, current: contexts.current })
      : undefined;
    const shown = name ?? used?.name;
    if (shown === undefined) throw noneUsed(contexts, this.env);
    placesNamed(contexts, shown);
    const row = { ...contextRow(contexts, shown), ...used && { by: used.by } };
    await this.printFacts(row, (row) => ({ ...contextCells(row), "chosen by": used?.by }));
  },
});

function noneUsed({ current }: Contexts, env: (name: string) => string | undefined): EvsError {
  const variable = ["EVS_SOCKET", "EVS_DATA_DIR"].find((name) => env(name));
  const reason = variable === undefined ? "none was chosen" : `${variable} is set`;
  return new EvsError(
    { code: "context/none", status: 404, exit: ExitCode.NotFound },
    `no context is used: ${reason}`,
    { hint: current === undefined ? "evs context list" : `evs status --context ${current}` },
  );
}
