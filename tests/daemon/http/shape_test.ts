/**
 * What a route declares is what it takes: parameters and fields that it does not have, values beyond
 * their limits and repeats are refused, and the limits themselves are taken.
 */
import assert from "node:assert/strict";
import {
  checkQuery,
  choice,
  flag,
  list,
  nullable,
  object,
  type Parameters,
  readMembers,
  refined,
  type Shape,
  share,
  text,
  whole,
} from "../../../daemon/http/shape.ts";
import { MOST_NAMES } from "../../../core/event/limits.ts";

const invalid = { code: "argument/invalid" };
const place = { kind: "field", name: "it" } as const;

function takes(shape: Shape<unknown>, values: readonly unknown[]): void {
  for (const value of values) assert.deepEqual(shape.read(value, place), value);
}

function refuses(shape: Shape<unknown>, values: readonly unknown[]): void {
  for (const value of values) {
    assert.throws(() => shape.read(value, place), invalid, JSON.stringify(value));
  }
}

Deno.test("whole, share, flag, text and choice take their limits and nothing beyond them", () => {
  takes(whole([2, 5]), [2, 3, 5]);
  refuses(whole([2, 5]), [1, 6, 2.5, "3", null, NaN, true, [3]]);
  takes(whole([0, Number.MAX_SAFE_INTEGER]), [0, Number.MAX_SAFE_INTEGER]);
  refuses(whole([0, Infinity]), [Number.MAX_SAFE_INTEGER + 1, Infinity]);
  takes(share, [1, 0.001]);
  refuses(share, [0, 1.0001, -0.5, "1", NaN]);
  takes(flag, [true, false]);
  refuses(flag, [0, 1, "true", null]);
  takes(text, ["", "a"]);
  refuses(text, [1, null, ["a"]]);
  takes(choice(["a", "b"]), ["a", "b"]);
  refuses(choice(["a", "b"]), ["", "A", "c", 1, null, "constructor"]);
  takes(nullable(text), [null, "a"]);
  refuses(nullable(text), [1, {}]);
});

Deno.test("list takes as many items as its limit, and names the item that is wrong", () => {
  const names = list(text, { what: "names", most: 3 });
  takes(names, [[], ["a"], ["a", "b", "c"]]);
  refuses(names, [["a", "b", "c", "d"], "a", null, { length: 0 }]);
  assert.throws(() => names.read(["a", 1], place), /it\[1\] is a string, not 1/);
});

Deno.test("object takes its members and no others, and misses those that are required", () => {
  const order = object({ id: text, count: whole([1, 9]) }, { required: ["id"] });
  assert.deepEqual(readMembers(order, { id: "a", count: 1 }), { id: "a", count: 1 });
  assert.deepEqual(readMembers(order, { id: "a" }), { id: "a" });
  for (
    const [body, says] of [
      [{ count: 1 }, /id is missing/],
      [{ id: "a", cuont: 1 }, /no field "cuont"/],
      [{ id: "a", toString: 1 }, /no field "toString"/],
      [JSON.parse('{"id":"a","__proto__":{}}'), /no field "__proto__"/],
      [{ id: "a", count: 10 }, /count is a whole number from 1 to 9, not 10/],
      [{ id: null }, /id is a string, not null/],
    ] as const
  ) {
    assert.throws(() => readMembers(order, body), says);
  }
  refuses(order, [[], null, "a", 1]);
  const checked = refined(order, ({ id }) => {
    if (id === "no") throw new TypeError("together it is wrong");
  });
  assert.throws(() => checked.read({ id: "no" }, place), /together/);
});

const query: Parameters = {
  limit: whole([1, 10]),
  follow: flag,
  name: { shape: text, repeats: true },
  few: { shape: text, repeats: true, most: 2 },
};

function check(given: string, parameters = query): void {
  checkQuery(parameters, new URLSearchParams(given));
}

Deno.test("checkQuery takes what a route declares, as often as it says", () => {
  for (
    const given of ["", "limit=1", "limit=10&follow", "follow=1", "follow=false", "name=a&name=b"]
  ) check(given);
  check("few=a&few=b");
  check(Array.from({ length: MOST_NAMES }, () => "name=a").join("&"));
  check("must=x", { must: { shape: text, required: true } });
});

Deno.test("checkQuery refuses what a route does not declare, what comes twice, and values beyond limits", () => {
  for (
    const [given, says] of [
      ["nonsense=1", /no parameter "nonsense"/],
      ["Limit=1", /no parameter "Limit"/],
      ["limit=1&toString=1", /no parameter "toString"/],
      ["__proto__=1", /no parameter "__proto__"/],
      ["limit=1&limit=1", /limit is given twice/],
      ["follow&follow", /follow is given twice/],
      ["few=a&few=b&few=c", /few is given more than 2 times/],
      [Array.from({ length: MOST_NAMES + 1 }, () => "name=a").join("&"), /more than/],
      ["limit=0", /limit is a whole number from 1 to 10, not 0/],
      ["limit=11", /not 11/],
      ["limit=", /limit/],
      ["limit=1e0", /limit/],
      ["limit=%201", /limit/],
      ["limit=0x1", /limit/],
      ["follow=yes", /follow is true or false, not "yes"/],
    ] as const
  ) {
    assert.throws(() => check(given), says, given);
  }
  const must: Parameters = { must: { shape: text, required: true } };
  assert.throws(() => check("", must), /the parameter must is missing/);
});
