/** `evs schema remove`. */
import { ExitCode } from "../../core/base/errors.ts";
import type { EvsContext } from "../cli/context.ts";
import { plainText, verb } from "../cli/define.ts";
import { typeArgument } from "./arguments.ts";

type RemoveFlags = { version: string; yes: boolean };

export const route = verb<RemoveFlags, [string]>({
  brief: "Remove one version of a schema",
  description:
    "Removes one version; events that were checked against it do not change. Asks for confirmation; in a script, --yes is required.",
  examples: [["schema remove user.created --version 1.0 --yes", "remove version 1.0"]],
  parameters: {
    flags: {
      version: { kind: "parsed", parse: plainText, brief: "The version", placeholder: "VERSION" },
      yes: { kind: "boolean", brief: "Do not ask for confirmation", default: false },
    },
    positional: {
      kind: "tuple",
      parameters: [typeArgument],
    },
  },
  async run(this: EvsContext, flags: RemoveFlags, type: string): Promise<void> {
    const client = await this.client();
    const { version } = flags;
    const info = await client.schema(type, version);
    const effect = info.latest ? " New events of it are then checked by the version before." : "";
    if (!await this.confirm(`Remove schema ${type} ${version}?${effect}`, flags)) {
      this.say("nothing was removed");
      this.exitCode = ExitCode.NotFound;
      return;
    }
    await client.removeSchema(type, version);
    if (this.forPeople) this.say(`${type} ${version} is removed`);
    else this.printJson({ removed: type, version });
  },
});
