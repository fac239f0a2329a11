/** `evs spool list`: what waits for a daemon, and what one refused. */
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { age } from "../terminal/age.ts";
import { filesOf, folderFaults, type SpoolFileInfo } from "./files.ts";
import { spoolPlace } from "./place.ts";

type ListFlags = { refused?: boolean };

export const route = verb<ListFlags>({
  brief: "List what was spooled",
  description:
    "Lists the files of the spool in the order in which they are taken in, and what a daemon refused, with the reason. Needs no daemon. Each file is named by its id; its path is in the JSON, and from its second line on it has the payloads, one a line.",
  examples: [
    ["spool list", "all of it"],
    ["spool list --refused", "what a daemon did not accept, and why"],
  ],
  parameters: {
    flags: {
      refused: { kind: "boolean", brief: "Only what was refused or is damaged", optional: true },
    },
    positional: { kind: "tuple", parameters: [] },
  },
  needsDaemon: false,
  async run(this: EvsContext, { refused = false }: ListFlags): Promise<void> {
    const place = await spoolPlace(this);
    const rows = [...filesOf(place)]
      .filter(({ state }) => !refused || state !== "waiting");
    const faults = folderFaults(place);
    for (const { path, what } of faults) this.say(`${path} ${what}`);
    if (rows.length === 0) {
      if (faults.length > 0) return;
      return this.note(refused ? "nothing in the spool was refused" : "the spool is empty");
    }
    const now = this.clock.now();
    await this.printRows(rows, (row) => ({
      id: row.id,
      state: row.state,
      topic: row.topic ?? "",
      type: row.type ?? "",
      events: row.events,
      spooled: row.spooledAt === undefined ? "" : age(now - row.spooledAt),
      reason: reasonOf(row),
    }), { drop: ["type", "spooled"] });
  },
});

function reasonOf({ state, what, refused: [first, ...more] = [] }: SpoolFileInfo): string {
  if (what !== undefined) return `it ${what}`;
  if (state === "damaged") return "it does not match its checksum";
  if (first === undefined) return "";
  const others = more.length === 0 ? "" : `; and ${more.length} more`;
  return `line ${first.line}: ${first.message}${others}`;
}
