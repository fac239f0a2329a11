/**
 * What only a process with schemas needs. It is loaded with the first of them: its code takes more
 * than 1 MiB of a daemon that is idle (docs/adr/0019-idle-memory.md).
 */
import { lateModule } from "../base/late_module.ts";
import type { Comparison } from "./compatibility/compare.ts";
import type { SchemaTools } from "./validator/validator.ts";

let tools: Promise<SchemaTools> | undefined;
let comparing: Promise<typeof import("./compatibility/compare.ts")> | undefined;

/** What compiles schemas, loaded once. */
export function schemaTools(): Promise<SchemaTools> {
  return tools ??= lateModule(
    "core/schema/validator/validator.ts",
    () => import("./validator/validator.ts"),
  ).then((module) => module.loadSchemaTools());
}

/** Compares two versions of a schema, as `compareSchemas` does. */
export async function compareVersionsOf(older: unknown, newer: unknown): Promise<Comparison> {
  const { compareSchemas } = await (comparing ??= lateModule(
    "core/schema/compatibility/compare.ts",
    () => import("./compatibility/compare.ts"),
  ));
  return await compareSchemas(older, newer);
}
