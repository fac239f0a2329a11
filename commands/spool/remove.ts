/** `evs spool remove`: gives up what was spooled. */
import { ifThere } from "../../core/base/if_there.ts";
import { folderOf } from "../../core/protocol/paths.ts";
import { syncSpool } from "../../core/spool/spool_folder.ts";
import type { EvsContext } from "../cli/context.ts";
import { plainText, verb } from "../cli/define.ts";
import { plural } from "../terminal/table.ts";
import { pathNow, selected } from "./files.ts";
import { spoolPlace } from "./place.ts";

type RemoveFlags = { refused?: boolean; yes?: boolean };

export const route = verb<RemoveFlags, string[]>({
  brief: "Remove what was spooled, for good",
  description:
    "Removes files of the spool: their events are not published. Asks for confirmation; in a script, --yes is required.",
  examples: [
    ["spool remove 01b60220 --yes", "one file, waiting or refused"],
    ["spool remove --refused --yes", "all that a daemon refused"],
  ],
  parameters: {
    flags: {
      refused: { kind: "boolean", brief: "All that were refused", optional: true },
      yes: { kind: "boolean", brief: "Do not ask for confirmation", optional: true },
    },
    aliases: { y: "yes" },
    positional: {
      kind: "array",
      parameter: { parse: plainText, brief: "A file's id", placeholder: "ID" },
    },
  },
  needsDaemon: false,
  async run(
    this: EvsContext,
    { refused = false, yes = false }: RemoveFlags,
    ...ids: string[]
  ): Promise<void> {
    const files = selected(await spoolPlace(this), { ids, refused });
    const events = files.reduce((sum, file) => sum + file.events, 0);
    const what = `${plural(files.length, "file")} with ${plural(events, "event")}`;
    const asked = { yes: yes || files.length === 0, declined: "nothing was removed" };
    if (!await this.confirm(`Remove ${what} for good?`, asked)) return;
    const removed = files.filter((file) => ifThere(() => removeFile(pathNow(file))));
    for (const folder of new Set(files.map(({ path }) => folderOf(path)))) {
      syncSpool(folder);
    }
    if (this.forPeople) this.print(`Removed ${what}.`);
    else this.printJson({ removed: removed.length, events });
  },
});

function removeFile(path: string): true {
  Deno.removeSync(path);
  return true;
}
