/** `evs restore`: restores a data dir, or a database, from a backup. */
import { databaseAt } from "./check/database.ts";
import { temporaryFolder } from "./archive/temporary_folder.ts";
import type { EvsContext } from "./cli/context.ts";
import { plainText, verb } from "./cli/define.ts";
import { load } from "./cli/lazy.ts";
import { eventProgress } from "./archive/event_progress.ts";
import { formatTime } from "./terminal/table.ts";

interface RestoreFlags {
  force?: boolean;
  store?: string;
}

export const route = verb<RestoreFlags, [string]>({
  brief: "Restore a backup",
  description:
    "Unpacks the file beside the data dir, verifies every byte by the checksums in its manifest, and only then replaces the data dir. A data dir that is not empty is replaced only with --force, and kept beside the new one. Refused while a daemon is using the data dir. The daemon goes on from the moment of the backup: events that were scheduled then and fell due meanwhile are published when it starts.\n\n" +
    "With --store postgres://…, the backup goes into a PostgreSQL database instead, with all numbers, for daemons that share it. It is verified first, and is there as a whole or not at all. What the database has already is replaced only with --force, and kept beside as another schema. Refused while a node uses the database.",
  examples: [
    ["restore evs.tar", "Into an empty or new data dir."],
    ["restore evs.tar --force", "Replace existing data, which is kept beside it."],
    ["restore - < evs.tar", "From a pipe or a file."],
    ["restore evs.tar --store postgres://evs@db/events", "Into a PostgreSQL database."],
  ],
  parameters: {
    flags: {
      force: {
        kind: "boolean",
        brief: "Replace a data dir that is not empty; the old one is kept beside it",
        optional: true,
      },
      store: {
        kind: "parsed",
        parse: plainText,
        brief: "Into this PostgreSQL database: its URL, without a password",
        placeholder: "URL",
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
  async run(this: EvsContext, { force = false, store }, file): Promise<void> {
    if (store !== undefined) return await intoDatabase(this, { file, store, force });
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

interface DatabaseRestore {
  file: string;
  store: string;
  force: boolean;
}

async function intoDatabase(
  context: EvsContext,
  { file, store, force }: DatabaseRestore,
): Promise<void> {
  const database = await databaseAt(store, context.paths);
  const { restoreDatabase } = await load<
    typeof import("../core/backup/postgres/restore_database.ts")
  >("../core/backup/postgres/restore_database.ts");
  using progress = eventProgress(context, "restored");
  const { manifest, place, keptAt, redacted } = await restoreDatabase({
    file: file === "-" ? Deno.stdin : file,
    database,
    folder: temporaryFolder(),
    force,
    now: context.clock.now(),
    told: (events) => progress.add(events),
  });
  progress[Symbol.dispose]();
  const { topics, events, createdAt } = manifest;
  await context.printFacts(
    { database: place, topics, events, createdAt, keptAt, redacted },
    () => ({
      database: place,
      topics,
      events,
      "backup of": formatTime(createdAt),
      "kept before": keptAt,
      "redacted again": redacted === 0 ? undefined : redacted,
    }),
  );
}
