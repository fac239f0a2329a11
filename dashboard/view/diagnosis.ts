/** What the doctor found. Pure. */
import type { Tone } from "./tone.ts";
import { countNoun } from "./format.ts";

/** A finding, as `evs doctor --json` prints it. */
export interface DoctorFinding {
  check: string;
  level: "ok" | "warning" | "damage";
  where: string;
  what: string;
  hint?: string;
}

/** Reads a line. */
export function readDiagnosis(line: string): DoctorFinding {
  return JSON.parse(line);
}

/** How serious it is. */
export function diagnosisTone(level: DoctorFinding["level"]): Tone {
  return ({ ok: "good", warning: "warn", damage: "bad" } as const)[level];
}

/** All of it in one line. */
export function doctorSummary(findings: readonly DoctorFinding[]): string {
  const count = (level: string) => findings.filter((one) => one.level === level).length;
  const [damage, warnings] = [count("damage"), count("warning")];
  if (damage > 0) {
    return `${countNoun(damage, "thing is", "things are")} damaged, ${
      countNoun(warnings, "warning")
    }.`;
  }
  return warnings === 0 ? "All is well." : `Nothing is damaged, ${countNoun(warnings, "warning")}.`;
}
