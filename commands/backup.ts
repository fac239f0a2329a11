/** `evs backup`: writes everything that is stored to one file. */
import { formatBytes } from "../core/base/units.ts";
import type { EvsContext } from "./cli/context.ts";
import { CannotStoreError, InvalidArgumentError } from "../core/base/errors.ts";
import { plainText, verb } from "./cli/define.ts";
import { load } from "./cli/lazy.ts";

export const route = verb<{ force?: boolean }, [string]>({
  brief: "Back up everything to one file",
  description:
    "Makes a consistent copy of events, topics, subscriptions, retries, dead letters and schemas, with the daemon running or stopped, and without blocking anybody. The file is a tar archive with a manifest of checksums; evs restore restores it. Making a backup temporarily needs space for a second copy.",
  examples: [
    ["backup evs.tar", "Everything, while the daemon is running."],
    ["backup nightly.tar --force", "Replace yesterday's backup."],
    ["backup - | ssh other 'cat > evs.tar'", "To another machine."],
  ],
  parameters: {
    flags: {
      force: { kind: "boolean", brief: "Replace an existing file", optional: true },
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
  async run(this: EvsContext, { force = false }, file): Promise<void> {
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
    const manifest = await makeBackup({
      dataDir,
      file: toStdout ? { out: standardOutput, folder: temporaryFolder() } : file,
      force,
      now: this.clock.now(),
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

/** Where temporary files go while a backup is written to standard output. */
function temporaryFolder(): string {
  return (Deno.env.get("TMPDIR") || "/tmp").replace(/(.)\/+$/, "$1");
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
