/** What is typed into a field for a duration or a rate. Pure. */
import { parseRate } from "../../core/base/rate.ts";
import { parseDuration } from "../../core/base/units.ts";

/** A value, or what is wrong with what was typed; neither for an empty field. */
export interface FieldValue<T> {
  value?: T;
  fault?: string;
}

/** ms. */
export function durationField(text: string): FieldValue<number> {
  return fieldOf(text, (trimmed) => parseDuration(trimmed, "a duration"));
}

/** A rate as `--rate` takes it. */
export function rateField(text: string): FieldValue<string> {
  return fieldOf(text, (trimmed) => {
    parseRate(trimmed);
    return trimmed;
  });
}

function fieldOf<T>(text: string, parse: (trimmed: string) => T): FieldValue<T> {
  const trimmed = text.trim();
  if (trimmed === "") return {};
  try {
    return { value: parse(trimmed) };
  } catch (error) {
    return { fault: (error as Error).message };
  }
}
