/** Schemas of types that no stored event has: a mistyped name, or one that is no longer needed. */
import { shellQuote } from "../../base/shell_quote.ts";
import type { Check, Finding } from "./check.ts";

export const schemas: Check = {
  name: "schemas",
  *look(_, { seen, state }): Generator<Finding> {
    if (!seen || !state) return;
    const versions = new Map<string, string[]>();
    for (const { type, version } of state.schemas) {
      versions.set(type, [...versions.get(type) ?? [], version]);
    }
    for (const [type, list] of versions) {
      if (seen.hasType(type)) continue;
      yield {
        level: "warning",
        where: type,
        what: `no stored event has this type, and it has a schema (${list.join(", ")})`,
        hint: `evs schema remove ${shellQuote(type)} --version ${
          shellQuote(list[0]!)
        }, if nobody will publish it`,
        details: { type, versions: list },
      };
    }
  },
};
