/** `evs backup`: writes everything that is stored to one file. */
import { formatBytes } from "../core/base/units.ts";
import type { EvsContext } from "./cli/context.ts";
import { CannotStoreError, InvalidArgumentError } from "../core/base/errors.ts";
import { plainText, verb } from "./cli/define.ts";
import { load } from "./cli/lazy.ts";
import { databaseAt, databaseOf } from "./check/database.ts";
import type { PostgresOptions } from "../core/postgres/url.ts";
import { temporaryFolder } from "./archive/temporary_folder.ts";
import { eventProgress } from "./archive/event_progress.ts";

interface BackupFlags {
  force?: boolean;
  store?: string;
}

export const route = verb<BackupFlags, [string]>({
  brief: "Back up everything to one file",
  description:
    "Makes a consistent copy of events, topics, subscriptions, retries, dead letters and schemas, with the daemon running or stopped, and without blocking anybody. The file is a tar archive with a manifest of checksums; evs restore restores it. Making a backup temporarily needs space for a second copy.\n\n" +
    "If the daemon of this data dir keeps its events in PostgreSQL, or --store names a database, everything in it is backed up as of one moment while its nodes work. The file is the same: evs restore puts it into a data dir of one machine, or into another database.",
  examples: [
    ["backup evs.tar", "Everything, while the daemon is running."],
    ["backup nightly.tar --force", "Replace yesterday's backup."],
    ["backup - | ssh other 'cat > evs.tar'", "To another machine."],
    ["backup events.tar --store postgres://evs@db/events", "A PostgreSQL database."],
  ],
  parameters: {
    flags: {
      force: { kind: "boolean", brief: "Replace an existing file", optional: true },
      store: {
        kind: "parsed",
        parse: plainText,
        brief: "The database, by its URL without a password; default: that of the data dir",
        placeholder: "URL",
        optional: true,
      },
    },
    positional: {
      kind: "tuple",
      parameters: [{
        parse: plainText,
        brief: "The file to write; -: standard output",
        placeholder: "FILE",
      }],
    },
  },
  needsDaemon: false,
  async run(this: EvsContext, { force = false, store }, file): Promise<void> {
    const { makeBackup } = await load<typeof import("../core/backup/backup.ts")>(
      "../core/backup/backup.ts",
    );
    const { dataDir } = this.paths;
    const toStdout = file === "-";
    if (toStdout && this.stdout.isTerminal) {
      throw new InvalidArgumentError("a backup is no text: a terminal cannot take it", {
        code: "argument/usage",
        hint: "evs backup - | ssh other 'cat > evs.tar'",
      });
    }
    const database =
      await (store === undefined ? databaseOf(this.paths) : databaseAt(store, this.paths));
    const manifest = await makeBackup({
      dataDir,
      file: toStdout ? { out: standardOutput, folder: temporaryFolder() } : file,
      force,
      now: this.clock.now(),
      ...database === undefined ? {} : { copy: (folder) => copyOf(this, database, folder) },
    });
    const bytes = manifest.files.reduce((sum, { size }) => sum + size, 0);
    const { topics, events } = manifest;
    if (toStdout) {
      this.note(`${topics} topics, ${events} events, ${formatBytes(bytes)}`);
      return;
    }
    await this.printFacts({ file, topics, events, bytes }, () => ({
      file,
      topics,
      events,
      size: formatBytes(bytes),
    }));
  },
});

/** Copies a database into a folder. */
async function copyOf(
  context: EvsContext,
  database: PostgresOptions,
  folder: string,
): Promise<string[]> {
  const { copyDatabaseInto } = await load<
    typeof import("../core/backup/postgres/backup_database.ts")
  >("../core/backup/postgres/backup_database.ts");
  using progress = eventProgress(context, "copied");
  return await copyDatabaseInto(folder, {
    database,
    dataDir: context.paths.dataDir,
    now: context.clock.now(),
    told: (events) => progress.add(events),
  });
}

/** A reader that goes away does not have a whole backup, so that is an error. */
const standardOutput = {
  writeSync(bytes: Uint8Array): number {
    try {
      return Deno.stdout.writeSync(bytes);
    } catch (cause) {
      if (!(cause instanceof Deno.errors.BrokenPipe)) throw cause;
      throw new CannotStoreError(
        "whoever reads standard output went away: it has no whole backup",
        {
          code: "system/refused",
          cause,
        },
      );
    }
  },
};
