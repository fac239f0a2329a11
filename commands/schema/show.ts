/** `evs schema show`. */
import { segment } from "../../core/client/client.ts";
import { splitMembers } from "../../core/json/json.ts";
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { typeArgument, versionFlag } from "./arguments.ts";
import { escapeLines } from "../terminal/escape.ts";

type ShowFlags = { version?: string };

export const route = verb<ShowFlags, [string]>({
  brief: "Show a schema",
  description:
    "Prints a schema as it was registered: the latest version, or the given one. With --json, prints everything known about it.",
  examples: [
    ["schema show user.created", "the current schema"],
    ["schema show user.created --version 1.0 > old.json", "an older one, into a file"],
  ],
  parameters: {
    flags: {
      version: versionFlag,
    },
    positional: {
      kind: "tuple",
      parameters: [typeArgument],
    },
  },
  async run(this: EvsContext, flags: ShowFlags, type: string): Promise<void> {
    const client = await this.client();
    const response = await client.fetch({
      method: "GET",
      path: `/v1/schemas/${segment(type)}`,
      query: { version: flags.version },
    });
    const bytes = await response.bytes();
    const body = new TextDecoder().decode(bytes).trim();
    if (this.json) return await this.printLines(`${body}\n`);
    const schema = splitMembers(body, new TextEncoder().encode(body))
      .find((member) => member.name === "schema")?.text ?? "";
    await this.stdout.write(`${this.stdout.isTerminal ? escapeLines(schema) : schema}\n`);
  },
});
