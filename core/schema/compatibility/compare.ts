/**
 * Compares two versions of a schema: may a reader of one meet payloads of the other that it
 * refuses?
 *
 * Backward: the new schema accepts every payload of the old one (old events stay readable).
 * Forward: the old schema accepts every payload of the new one (readers that were not updated keep
 * working). Full: both.
 */
import { assertObject } from "../../base/options.ts";
import { EventRefusedError } from "../../base/errors.ts";
import { draftOf } from "../validator/limits.ts";
import { canonical } from "../validator/unique_items.ts";
import { loadSchemaTools, type SchemaTools } from "../validator/validator.ts";
import { type Break, Containment } from "./containment.ts";
import { type JsonSchema, type SchemaDocument, type SchemaPlace } from "./place.ts";

export type { Break } from "./containment.ts";

/** What breaks compatibility in each direction; empty if nothing does. */
export interface Comparison {
  /** Where the new schema may refuse old payloads; pointers into the new one. */
  backward: Break[];
  /** Where the old schema may refuse new payloads; pointers into the old one. */
  forward: Break[];
}

/**
 * Compares two schemas that can be registered. An empty result is proof of compatibility; a break
 * may only mean that no proof was found. Defaults have no effect: a payload is checked as it
 * arrived.
 *
 * ```ts
 * import { compareSchemas } from "@env/env-event-stream";
 *
 * const { backward } = await compareSchemas(
 *   { type: "object" },
 *   { type: "object", required: ["email"] },
 * );
 * // [{ pointer: "/required/0", message: "requires email, which old payloads may leave out" }]
 * ```
 */
export async function compareSchemas(older: unknown, newer: unknown): Promise<Comparison> {
  for (const schema of [older, newer]) {
    if (typeof schema !== "boolean") assertObject(schema, "a schema, unless it is true or false,");
  }
  if (canonical(older) === canonical(newer)) return { backward: [], forward: [] };
  const tools = await loadSchemaTools();
  const [old, next] = [documentOf(older, tools), documentOf(newer, tools)];
  if (old === undefined || next === undefined) {
    const breaks = [{ pointer: "", message: "mixes drafts, which cannot be compared: breaking" }];
    return { backward: breaks, forward: breaks };
  }
  return {
    backward: new Containment({ whose: "old" }).compare(place(old), place(next)),
    forward: new Containment({ whose: "new" }).compare(place(next), place(old)),
  };
}

function place(document: SchemaDocument): SchemaPlace {
  return { document, pointer: "", schema: document.root };
}

/** Undefined if a part uses another draft than the whole. */
function documentOf(schema: unknown, tools: SchemaTools): SchemaDocument | undefined {
  const root = schema as JsonSchema;
  const draft = draftOf(root);
  const documents = tools.documentsOf(root);
  if (documents.ownParts().some(({ resource }) => resource.draft !== draft)) return undefined;
  let parts: ReturnType<SchemaTools["compileParts"]> | undefined;
  const patterns = new Map<string, { test(text: string): boolean }>();
  return {
    root,
    draft,
    target(pointer, reference) {
      const schema = documents.at(pointer)?.schema;
      if (typeof schema !== "object") return undefined;
      const target = documents.resolve(documents.partOf(schema), reference);
      return target?.isOwn ? { pointer: target.pointer, schema: target.schema } : undefined;
    },
    accepts(pointer, value) {
      parts ??= tools.compileParts(root);
      try {
        return parts(pointer, value);
      } catch (error) {
        // Checking was too expensive to be sure, so assume that the value is not accepted.
        if (error instanceof EventRefusedError) return false;
        throw error;
      }
    },
    matches(pattern, text) {
      const engine = patterns.get(pattern) ?? tools.compilePattern(pattern);
      patterns.set(pattern, engine);
      return engine.test(text);
    },
  };
}
