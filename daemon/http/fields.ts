/** Fields of a request's JSON object, checked one by one: an error names the field, what it is, and what it was given. */
import { InvalidArgumentError } from "../../core/base/errors.ts";
import { didYouMean } from "../../core/base/suggest.ts";

/** Reads the fields of one object, and refuses those that nobody reads. */
export class Fields {
  readonly #values: Record<string, unknown>;

  constructor(values: Record<string, unknown>, known: readonly string[]) {
    this.#values = values;
    for (const name of Object.keys(values)) {
      if (known.includes(name)) continue;
      throw new InvalidArgumentError(`there is no field ${JSON.stringify(name)} here`, {
        details: { field: name },
        hint: didYouMean(name, known) ??
          (known.length > 0 ? `the fields are ${known.join(", ")}` : "it takes no fields"),
      });
    }
  }

  string(name: string): string | undefined {
    return this.#read(name, "a string", (value) => typeof value === "string");
  }

  boolean(name: string): boolean | undefined {
    return this.#read(name, "true or false", (value) => typeof value === "boolean");
  }

  strings(name: string): string[] | undefined {
    return this.#read(name, "an array of strings", isStrings);
  }

  object(name: string): Record<string, unknown> | undefined {
    return this.#read(name, "a JSON object", isObject);
  }

  objects(name: string): Record<string, unknown>[] | undefined {
    return this.#read(
      name,
      "an array of JSON objects",
      (value) => Array.isArray(value) && value.every(isObject),
    );
  }

  /** A whole number in a range. */
  whole(name: string, [low, high]: readonly [number, number]): number | undefined {
    return this.#read(
      name,
      `a whole number from ${low} to ${high}`,
      (value) =>
        Number.isSafeInteger(value) && (value as number) >= low && (value as number) <= high,
    );
  }

  /** A field that must be there. */
  required<T>(name: string, value: T | undefined): T {
    if (value !== undefined) return value;
    throw new InvalidArgumentError(`${name} is missing`, { details: { field: name } });
  }

  #read<T>(name: string, what: string, fits: (value: unknown) => boolean): T | undefined {
    const value = this.#values[name];
    if (value === undefined) return undefined;
    if (fits(value)) return value as T;
    throw new InvalidArgumentError(`${name} is ${what}, not ${shown(value)}`, {
      details: { field: name },
    });
  }
}

function isObject(value: unknown): boolean {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isStrings(value: unknown): boolean {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

function shown(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
