/** `evs schema remove`. */
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
    const question = `Remove schema ${type} ${version}?${effect}`;
    const { yes } = flags;
    if (!await this.confirm(question, { yes, declined: "nothing was removed" })) return;
    await client.removeSchema(type, version);
    if (this.forPeople) this.say(`${type} ${version} is removed`);
    else this.printJson({ removed: type, version });
  },
});
