/** `evs get`: one event. */
import { InvalidArgumentError } from "../core/base/errors.ts";
import { plainText, textFlag, verb } from "./cli/define.ts";
import { load } from "./cli/lazy.ts";
import {
  checkOutputFlags,
  conversionOf,
  type OutputFlags,
  outputFlags,
  printingFlags,
} from "./reading/flags.ts";
import { FORMAT_HELP } from "./reading/format.ts";

interface GetFlags extends OutputFlags {
  key?: string;
}

export const route = verb<GetFlags, [topic: string, event?: string]>({
  brief: "Print one event",
  description:
    "Prints one event: by its seq, by its id, or the newest of a key. Exit code 1 if it does not exist. With --raw, what was published with --binary is " +
    "printed as its bytes and nothing else, and any other payload with a line feed.\n" +
    FORMAT_HELP,
  usage: ["TOPIC SEQ|ID [--raw | --format FORMAT]", "TOPIC --key TEXT [the same]"],
  examples: [
    ["get users 42", "The event with seq 42."],
    ["get users 42 --cloudevents", "The same as a CloudEvent."],
    ["get users 0199f3a2-7c11-7d4e-a1b2-3c4d5e6f7081 | jq .payload", "By id."],
    ["get orders --key o1 --raw", "The newest payload of a key."],
  ],
  parameters: {
    flags: { key: textFlag("The newest event with this key", "TEXT"), ...outputFlags },
    positional: {
      kind: "tuple",
      parameters: [
        { parse: plainText, brief: "The topic", placeholder: "TOPIC" },
        { parse: plainText, brief: "A seq or an id", placeholder: "SEQ|ID", optional: true },
      ],
    },
  },
  async run(flags, topic, event) {
    checkOutputFlags(flags, "get");
    const { key } = flags;
    if ((event === undefined) === (key === undefined)) {
      throw new InvalidArgumentError(
        event === undefined
          ? "which event is missing: its seq, its id, or --key"
          : "a seq or an id names one event, and --key another",
        { code: "argument/usage", hint: "evs get --help" },
      );
    }
    const client = await this.client();
    const line = key === undefined
      ? await client.event(topic, event!)
      : await client.newest(topic, key);
    const printer = await load<typeof import("./reading/printer.ts")>("./reading/printer.ts");
    if (!this.forPeople || printingFlags(flags).length > 0) {
      const { raw, format } = flags;
      const convert = await conversionOf(flags);
      const options = { raw, format, convert, topics: true, single: true };
      return await printer.eventPrinter(this, options)(line);
    }
    const { formatFacts } = await load<typeof import("./terminal/table.ts")>("./terminal/table.ts");
    await this.stdout.write(formatFacts(printer.eventFacts(line), { paint: this.paint }));
  },
});
