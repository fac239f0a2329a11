/** `evs get`: one event. */
import { plainText, verb } from "./cli/define.ts";
import { load } from "./cli/lazy.ts";
import { checkOutputFlags, type OutputFlags, outputFlags } from "./reading/flags.ts";
import { FORMAT_HELP } from "./reading/format.ts";

export const route = verb<OutputFlags, [topic: string, event: string]>({
  brief: "Print one event",
  description:
    "Prints one event, by its seq or its id. Exit code 1 if it does not exist. With --raw, what was published with --binary is " +
    "printed as its bytes and nothing else, and any other payload with a line feed.\n" +
    FORMAT_HELP,
  examples: [
    ["get users 42", "The event with seq 42."],
    ["get users 0199f3a2-7c11-7d4e-a1b2-3c4d5e6f7081 | jq .payload", "By id."],
  ],
  parameters: {
    flags: outputFlags,
    positional: {
      kind: "tuple",
      parameters: [
        { parse: plainText, brief: "The topic", placeholder: "TOPIC" },
        { parse: plainText, brief: "A seq or an id", placeholder: "SEQ|ID" },
      ],
    },
  },
  async run(flags, topic, event) {
    checkOutputFlags(flags, "get");
    const client = await this.client();
    const line = await client.event(topic, event);
    const printer = await load<typeof import("./reading/printer.ts")>("./reading/printer.ts");
    if (!this.forPeople || flags.raw || flags.format !== undefined) {
      return await printer.eventPrinter(this, { ...flags, topics: true, single: true })(line);
    }
    const { formatFacts } = await load<typeof import("./terminal/table.ts")>("./terminal/table.ts");
    await this.stdout.write(formatFacts(printer.eventFacts(line), { paint: this.paint }));
  },
});
