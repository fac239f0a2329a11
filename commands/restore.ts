/** `evs restore`: restores a data dir from a backup. */
import type { EvsContext } from "./cli/context.ts";
import { plainText, verb } from "./cli/define.ts";
import { load } from "./cli/lazy.ts";
import { formatTime } from "./terminal/table.ts";

export const route = verb<{ force?: boolean }, [string]>({
  brief: "Restore a backup",
  description:
    "Unpacks the file beside the data dir, verifies every byte by the checksums in its manifest, and only then replaces the data dir. A data dir that is not empty is replaced only with --force, and kept beside the new one. Refused while a daemon is using the data dir. The daemon goes on from the moment of the backup: events that were scheduled then and fell due meanwhile are published when it starts.",
  examples: [
    ["restore evs.tar", "Into an empty or new data dir."],
    ["restore evs.tar --force", "Replace existing data, which is kept beside it."],
    ["restore - < evs.tar", "From a pipe or a file."],
  ],
  parameters: {
    flags: {
      force: {
        kind: "boolean",
        brief: "Replace a data dir that is not empty; the old one is kept beside it",
        optional: true,
      },
    },
    positional: {
      kind: "tuple",
      parameters: [{
        parse: plainText,
        brief: "A file written by evs backup; -: standard input",
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
    const { manifest, keptAt, redacted } = await restoreBackup({
      file: source,
      dataDir,
      force,
      now: this.clock.now(),
    });
    const { topics, events, createdAt } = manifest;
    await this.printFacts({ dataDir, topics, events, createdAt, keptAt, redacted }, () => ({
      "data dir": dataDir,
      topics,
      events,
      "backup of": formatTime(createdAt),
      "kept before": keptAt,
      "redacted again": redacted === 0 ? undefined : redacted,
    }));
  },
});
