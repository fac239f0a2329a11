/** `evs spool retry`: has what was refused taken in once more. */
import { folderOf } from "../../core/protocol/paths.ts";
import type { EvsContext } from "../cli/context.ts";
import { plainText, verb } from "../cli/define.ts";
import { plural } from "../terminal/table.ts";
import { selected } from "./files.ts";
import { spoolPlace } from "./place.ts";
import { SpoolWriter } from "./writer.ts";

type RetryFlags = { refused?: boolean };

export const route = verb<RetryFlags, string[]>({
  brief: "Have what was refused taken in once more",
  description:
    "Puts what a daemon refused back into the spool, behind what waits: after the schema, the size limit or the topic was changed. The events keep their ids and the time at which they were spooled.",
  examples: [
    ["spool retry 01b60220", "one file"],
    ["spool retry --refused", "all of them"],
  ],
  parameters: {
    flags: { refused: { kind: "boolean", brief: "All that were refused", optional: true } },
    positional: {
      kind: "array",
      parameter: { parse: plainText, brief: "A file's id", placeholder: "ID" },
    },
  },
  needsDaemon: false,
  async run(
    this: EvsContext,
    { refused = false }: RetryFlags,
    ...ids: string[]
  ): Promise<void> {
    const { paths, clock } = this;
    const place = await spoolPlace(this);
    let [files, events] = [0, 0];
    for (const file of selected(place, { ids, refused })) {
      if (file.state !== "refused") continue;
      const folder = folderOf(folderOf(file.path));
      const writer = new SpoolWriter({ place: { ...place, folder }, paths, clock });
      const count = await writer.putBack(file);
      if (count === undefined) continue;
      files++;
      events += count;
    }
    if (this.forPeople) {
      this.print(`Put back ${plural(files, "file")} with ${plural(events, "event")}.`);
    } else this.printJson({ retried: files, events });
  },
});
