/** `evs schema list`. */
import { formatBytes } from "../../core/base/units.ts";
import type { EvsContext } from "../cli/context.ts";
import { verb } from "../cli/define.ts";
import { formatTime } from "../terminal/table.ts";

export const route = verb<Record<never, never>, []>({
  brief: "List schemas",
  description: "Lists every version of every schema: a table on a terminal, NDJSON elsewhere.",
  examples: [["schema list", "which types are checked"]],
  parameters: {},
  async run(this: EvsContext): Promise<void> {
    const schemas = await (await this.client()).schemas();
    if (schemas.length === 0) return this.note("no schemas");
    await this.printRows(schemas, (info) => ({
      type: info.type,
      version: info.version,
      latest: info.latest ? "yes" : "",
      compat: info.latest ? info.compatibility ?? "none" : "",
      size: formatBytes(info.bytes),
      registered: formatTime(info.registeredAt),
    }));
  },
});
