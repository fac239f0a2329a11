/** `evs context use`. */
import { InvalidArgumentError } from "../../core/base/errors.ts";
import { plainText, verb } from "../cli/define.ts";
import { changeContexts } from "./change.ts";
import { placesNamed } from "./contexts.ts";

export const route = verb<{ none?: boolean }, [context?: string]>({
  brief: "Choose the context that commands use",
  examples: [
    ["context use staging", "From now on, in every shell."],
    ["context use --none", "Back to the places of the environment, or the default ones."],
  ],
  usage: ["CONTEXT", "--none"],
  needsDaemon: false,
  parameters: {
    flags: { none: { kind: "boolean", brief: "Use no context", optional: true } },
    positional: {
      kind: "tuple",
      parameters: [{
        parse: plainText,
        brief: "The context",
        placeholder: "CONTEXT",
        optional: true,
      }],
    },
  },
  run({ none }, name) {
    if ((name === undefined) === (none !== true)) {
      throw new InvalidArgumentError("name a context, or --none", {
        code: "argument/usage",
        hint: "evs context use --help",
      });
    }
    changeContexts(this.env, (contexts) => {
      if (name === undefined) delete contexts.current;
      else {
        placesNamed(contexts, name);
        contexts.current = name;
      }
    });
    const variable = ["EVS_SOCKET", "EVS_DATA_DIR", "EVS_CONTEXT"].find((one) => this.env(one));
    if (variable !== undefined) this.say(`${variable} is set here, and comes before it`);
    if (this.forPeople) this.print(name === undefined ? "No context is used." : `Using ${name}.`);
    else this.printJson({ current: name ?? null });
  },
});
