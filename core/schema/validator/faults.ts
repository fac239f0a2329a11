/** Turns ajv's errors into sentences for people, each with the JSON pointer of the fault. */
import { isNumeric } from "../../json/decimal.ts";
import { pointerGet } from "../../json/json.ts";
import type { Violation } from "./evaluator.ts";
import { escapePointer } from "../../json/pointer.ts";

/** One fault of a payload. */
export interface Fault {
  /** A JSON pointer into the payload (RFC 6901); empty for the payload itself. */
  pointer: string;
  /** What is wrong there, for people. */
  message: string;
}

/** The fields of an ajv error that are used, or an error of our own. */
export type ReportedError = Omit<Violation, "message"> & { message?: string | undefined };

/** The most faults that are listed. */
const MOST = 100;

/** The faults of a payload, without repeats. */
export function faultsOf(errors: readonly ReportedError[], payload: unknown): Fault[] {
  const faults = new Map<string, Fault>();
  for (const error of errors) {
    if (faults.size >= MOST) break;
    const fault = toFault(error, payload);
    faults.set(`${fault.pointer}\n${fault.message}`, fault);
  }
  return [...faults.values()];
}

function toFault(error: ReportedError, payload: unknown): Fault {
  const { instancePath: pointer, keyword } = error;
  const params = error.params as Record<string, unknown>;
  const inside = (name: unknown) => `${pointer}/${escapePointer(String(name))}`;
  switch (keyword) {
    case "required":
      return { pointer: inside(params["missingProperty"]), message: "is missing" };
    case "additionalProperties":
      return { pointer: inside(params["additionalProperty"]), message: "must not be there" };
    case "unevaluatedProperties":
      return { pointer: inside(params["unevaluatedProperty"]), message: "must not be there" };
    case "type": {
      const types = [params["type"]].flat().map((type) => NAMES[String(type)] ?? String(type)).join(
        " or ",
      );
      return { pointer, message: `must be ${types}, is ${nameOf(pointerGet(payload, pointer))}` };
    }
    case "enum":
      return { pointer, message: `must be one of ${listed(params["allowedValues"])}` };
    case "const":
      return { pointer, message: `must be ${JSON.stringify(params["allowedValue"])}` };
    case "pattern":
      return { pointer, message: `must match the pattern ${params["pattern"]}` };
    case "format":
      return { pointer, message: `must be a valid ${params["format"]}` };
    case "uniqueItems":
      return { pointer, message: "must not have the same item twice" };
    default:
      return { pointer, message: error.message ?? `fails ${keyword}` };
  }
}

const NAMES: Record<string, string> = {
  string: "a string",
  number: "a number",
  integer: "a whole number",
  boolean: "true or false",
  null: "null",
  array: "an array",
  object: "an object",
};

function nameOf(value: unknown): string {
  if (value === null) return "null";
  if (isNumeric(value)) return "a number";
  if (Array.isArray(value)) return "an array";
  return typeof value === "boolean" ? String(value) : NAMES[typeof value] ?? "nothing";
}

function listed(values: unknown): string {
  const all = Array.isArray(values) ? values.map((value) => JSON.stringify(value)) : [];
  return all.length > 10
    ? `${all.slice(0, 10).join(", ")} and ${all.length - 10} more`
    : all.join(", ");
}
