/** `evs node drain`: has a node give back what it owns. */
import { drainNode } from "../../core/client/nodes.ts";
import type { EvsContext } from "../cli/context.ts";
import { plainText, verb } from "../cli/define.ts";
import { nodeRow } from "./list.ts";

type DrainFlags = { off?: boolean };

export const route = verb<DrainFlags, [string?]>({
  brief: "Have a node give its work to others",
  description:
    "The node delivers nothing new, lets what is being handled end, and gives its parts of subscriptions to other nodes. Its consumers wait until it works again; publishing goes on. It stays so until it is restarted, or until --off.",
  examples: [
    ["node drain", "the node that is asked, before it is stopped or upgraded"],
    ["node drain web1-3f9a02c1", "another one, by its name in node list"],
    ["node drain --off", "it takes work again"],
  ],
  parameters: {
    flags: { off: { kind: "boolean", brief: "Let it take work again", optional: true } },
    positional: {
      kind: "tuple",
      parameters: [{
        parse: plainText,
        brief: "The node; absent: the one that is asked",
        placeholder: "NODE",
        optional: true,
      }],
    },
  },
  async run(this: EvsContext, { off = false }: DrainFlags, node?: string): Promise<void> {
    const client = await this.client();
    const nodes = await drainNode(client, { ...(node && { node }), draining: !off });
    await this.printRows(nodes, (node) => nodeRow(node, this.clock.now()));
    if (!off) this.say("once evs node list calls it drained, it owns nothing and may be stopped");
  },
});
