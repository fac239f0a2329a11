/** `evs restore`: restores a data dir from a backup. */
import type { EvsContext } from "./cli/context.ts";
import { plainText, verb } from "./cli/define.ts";
import { load } from "./cli/lazy.ts";
import { formatTime } from "./terminal/table.ts";

export const route = verb<{ force?: boolean }, [string]>({
  brief: "Bring back what evs backup has put into a file",
  description:
    "Unpacks the file beside the data dir, holds every byte against the checksums of its manifest, and only then lets it take the place of the data dir. One that is not empty is not touched without --force, and then it is kept beside. Refused while a daemon runs there.",
  examples: [
    ["restore evs.tar", "Into an empty or new data dir."],
    ["restore evs.tar --force", "Instead of what is there, which is kept beside it."],
    ["restore - < evs.tar", "From a pipe or a file."],
  ],
  parameters: {
    flags: {
      force: {
        kind: "boolean",
        brief: "Take the place of a data dir that is not empty; it is kept beside",
        optional: true,
      },
    },
    positional: {
      kind: "tuple",
      parameters: [{
        parse: plainText,
        brief: "The file that evs backup made; -: standard input",
        placeholder: "FILE",
      }],
    },
  },
  needsDaemon: false,
  async run(this: EvsContext, { force = false }, file): Promise<void> {
    const { restoreBackup } = await load<typeof import("../core/backup/restore.ts")>(
      "../core/backup/restore.ts",
    );
    const { dataDir } = this.paths;
    const source = file === "-" ? Deno.stdin : file;
    const { manifest, keptAt } = restoreBackup({
      file: source,
      dataDir,
      force,
      now: this.clock.now(),
    });
    const { topics, events, createdAt } = manifest;
    const facts = {
      dataDir,
      topics,
      events,
      createdAt,
      ...(keptAt === undefined ? {} : { keptAt }),
    };
    await this.printFacts(facts, () => ({
      "data dir": dataDir,
      topics,
      events,
      "backup of": formatTime(createdAt),
      ...(keptAt === undefined ? {} : { "kept before": keptAt }),
    }));
  },
});
