/** Failures that are kept as files: tests/world/kept/NAME.json, a regression for ever. */
import type { Plan } from "../types.ts";

/** Where they are. */
export const KEPT = new URL("../kept/", import.meta.url);

/** A failure. */
export interface Kept {
  /** The name of the life. */
  life: string;
  plan: Plan;
  /** What broke when it was found. */
  broke: { promise: string; details: string };
}

/** Reads one, by its path or its name. */
export function readKept(name: string): Kept {
  const file = name.endsWith(".json") ? name : new URL(`${name}.json`, KEPT);
  return JSON.parse(Deno.readTextFileSync(file));
}

/** Names of all. */
export function keptNames(): string[] {
  try {
    return [...Deno.readDirSync(KEPT)].map(({ name }) => name)
      .filter((name) => name.endsWith(".json")).map((name) => name.slice(0, -5)).toSorted();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw error;
  }
}

/** Writes one; returns its path. */
export function writeKept(name: string, kept: Kept): string {
  Deno.mkdirSync(KEPT, { recursive: true });
  const file = new URL(`${name}.json`, KEPT);
  const { steps, ...plan } = kept.plan;
  // A line a step, so that a person can read it and a diff shows what was left out.
  const lines = steps.map((step) => `      ${JSON.stringify(step)}`).join(",\n");
  const text = `{
  "life": ${JSON.stringify(kept.life)},
  "broke": ${JSON.stringify({ promise: kept.broke.promise, details: kept.broke.details })},
  "plan": {
    "seed": ${plan.seed},
    "settings": ${JSON.stringify(plan.settings)},
    "steps": [
${lines}
    ]
  }
}
`;
  Deno.writeTextFileSync(file, text);
  return decodeURIComponent(file.pathname);
}
