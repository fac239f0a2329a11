/** `evs backup`: everything that is stored, in one file. */
import { formatBytes } from "../core/base/units.ts";
import type { EvsContext } from "./cli/context.ts";
import { text, verb } from "./cli/define.ts";
import { load } from "./cli/lazy.ts";

export const route = verb<{ force?: boolean }, [string]>({
  brief: "Put everything that is stored into one file",
  description:
    "Makes a consistent copy of events, topics, subscriptions, retries, dead letters and schemas, of a running daemon or a stopped one; nobody has to wait for it. The file is a tar archive with a manifest of checksums, and evs restore takes it back. It needs room for a second copy while it is made.",
  examples: [
    ["backup evs.tar", "Everything, while the daemon serves."],
    ["backup /mnt/nightly.tar --force", "Replace the one of yesterday."],
  ],
  parameters: {
    flags: {
      force: { kind: "boolean", brief: "Replace a file that is there", optional: true },
    },
    positional: {
      kind: "tuple",
      parameters: [{ parse: text, brief: "The file to make", placeholder: "FILE" }],
    },
  },
  async run(this: EvsContext, { force = false }, file): Promise<void> {
    const { makeBackup } = await load<typeof import("../core/backup/backup.ts")>(
      "../core/backup/backup.ts",
    );
    const { dataDir } = this.paths;
    const manifest = await makeBackup({ dataDir, file, force, now: this.clock.now() });
    const bytes = manifest.files.reduce((sum, { size }) => sum + size, 0);
    const { topics, events } = manifest;
    await this.printFacts({ file, topics, events, bytes }, () => ({
      file,
      topics,
      events,
      size: formatBytes(bytes),
    }));
  },
});
