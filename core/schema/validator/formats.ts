/**
 * String formats. The definitions come from ajv-formats. Those that backtrack get a maximum length,
 * beyond which no value of theirs is valid anyway. The URI formats have no such limit, so they are
 * checked in a single pass.
 */

import { compareNumbers, isWholeNumber, type Numeric, numericOf } from "../../json/decimal.ts";
import type { Format } from "./evaluator.ts";

type KeywordCheck = (text: string) => boolean;

/** No valid value of the format is longer than this. */
const LONGEST: Record<string, number> = {
  email: 320, // RFC 5321, 4.5.3.1: 64 + 1 + 255
  hostname: 255, // RFC 1035, 2.3.4
  ipv4: 15,
  ipv6: 45,
  duration: 200,
  uuid: 45,
  date: 10,
  time: 40,
  "date-time": 60,
  "iso-time": 40,
  "iso-date-time": 60,
};

const URI_CHARACTERS = /^(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})*$/;
// deno-lint-ignore no-control-regex -- control characters are exactly what a template must not have
const TEMPLATE_CHARACTERS = /^(?:[^\u0000-\u0020"'<>\\^`{|}%]|%[0-9A-Fa-f]{2}|\{[^{}]+\})*$/;
const SCHEME = /^[A-Za-z][A-Za-z0-9+\-.]*:/;

const URIS: Record<string, KeywordCheck> = {
  uri: (text) => SCHEME.test(text) && URI_CHARACTERS.test(text),
  "uri-reference": (text) => URI_CHARACTERS.test(text),
  "uri-template": (text) => TEMPLATE_CHARACTERS.test(text),
  url: (text) => /^(?:https?|ftp):\/\//i.test(text) && URL.canParse(text),
};

/** Whole numbers from `least` to `most`, however they are written. */
function wholeBetween(least: string, most: string): unknown {
  const [low, high] = [numericOf(least), numericOf(most)];
  const validate = (value: Numeric) =>
    isWholeNumber(value) && compareNumbers(value, low) >= 0 && compareNumbers(value, high) <= 0;
  return { type: "number", validate };
}

const INTEGERS: Record<string, unknown> = {
  int32: wholeBetween("-2147483648", "2147483647"),
  int64: wholeBetween("-9223372036854775808", "9223372036854775807"),
};

/** Makes the definitions of ajv-formats safe for values of any length. */
export function safeFormats(definitions: Record<string, unknown>): Record<string, unknown> {
  const safe: Record<string, unknown> = {};
  for (const [name, definition] of Object.entries(definitions)) {
    const most = LONGEST[name];
    if (URIS[name] ?? INTEGERS[name]) safe[name] = URIS[name] ?? INTEGERS[name];
    else if (most === undefined) safe[name] = definition;
    else {
      const check = checkOf(definition);
      safe[name] = (text: string) => text.length <= most && check(text);
    }
  }
  return safe;
}

function checkOf(definition: unknown): KeywordCheck {
  if (definition instanceof RegExp) return (text) => definition.test(text);
  if (typeof definition === "function") return definition as KeywordCheck;
  return checkOf((definition as { validate: unknown }).validate);
}

/** A definition in the evaluator's form, where numbers may be decimals. */
export function formatOf(definition: unknown): Format {
  const isOfNumbers = typeof definition === "object" && definition !== null &&
    (definition as { type?: unknown }).type === "number";
  if (!isOfNumbers) {
    const check = definition === true ? () => true : checkOf(definition);
    return { type: "string", test: (value) => check(value as string) };
  }
  const { validate } = definition as { validate: unknown };
  return {
    type: "number",
    test: (value) => typeof validate !== "function" || validate(value) as boolean,
  };
}
