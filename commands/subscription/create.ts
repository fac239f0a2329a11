/** `evs subscription create`: a position in a topic before anybody consumes it. */
import { ConflictError } from "../../core/base/errors.ts";
import { typedAgain } from "../../core/base/shell_quote.ts";
import {
  consumeParameters,
  flagOfSetting,
  requestedSubscription,
  type SubscriptionFlags,
} from "../consume.ts";
import { plainText, verb } from "../cli/define.ts";
import { factsOf } from "./shared.ts";

type CreateFlags = Omit<SubscriptionFlags, "resume">;

const { from, type, where, maxRetries, maxDeliveries, backoff, breaker, update } =
  consumeParameters.flags;

export const route = verb<CreateFlags, [name: string, topic: string]>({
  brief: "Create a subscription before it is consumed",
  description:
    "Creates a subscription with its settings; evs consume TOPIC --name NAME then goes on from its position. " +
    "Events published meanwhile wait for it, also if --from is end. " +
    "If it exists with the same topic and settings, nothing changes, and --from moves nothing; with others, exit code 3, unless --update applies the settings.",
  examples: [
    ["subscription create audit orders --from end", "what is published from now on"],
    [
      "subscription create invoices 'orders.*' --max-retries 10 --backoff exp:1s..5m",
      "with its settings",
    ],
  ],
  parameters: {
    flags: { from, type, where, maxRetries, maxDeliveries, backoff, breaker, update },
    positional: {
      kind: "tuple",
      parameters: [
        { parse: plainText, brief: "The subscription", placeholder: "NAME" },
        { parse: plainText, brief: "A topic or a pattern", placeholder: "TOPIC" },
      ],
    },
  },
  async run(flags, name, topic) {
    const client = await this.client();
    const request = requestedSubscription(topic, { ...flags, resume: false });
    const info = await client.putSubscription(name, request);
    const { created, differs = [], ...shown } = info;
    if (differs.length > 0) {
      const names = differs.map((setting) => flagOfSetting[setting] ?? setting);
      throw new ConflictError(
        `the subscription ${name} already exists, with another ${names.join(", ")}`,
        {
          code: "subscription/exists",
          hint: `${typedAgain(this.argv, "--update")} applies these settings`,
          details: { subscription: name, differs, settings: info.settings },
        },
      );
    }
    if (!created && flags.from !== undefined) {
      this.say(
        `subscription ${name} already exists, so --from does nothing: move it with evs subscription seek ${name} ${flags.from}`,
      );
    }
    await this.printFacts(
      { ...shown, created: created === true },
      () => factsOf(shown, this.clock.now()),
    );
  },
});
