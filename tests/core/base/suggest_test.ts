/**
 * Suggestions for misspelt names: the distance against its definition, what is suggested, and the
 * wording.
 */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { didYouMean, editDistance, nearest } from "../../../core/base/suggest.ts";

const word = fc.string({ unit: fc.constantFrom(..."abcd"), maxLength: 7 });
const words = fc.uniqueArray(fc.string({ unit: fc.constantFrom(..."abc-"), maxLength: 8 }), {
  maxLength: 10,
});

/** Optimal string alignment by its recursive definition. */
function alignment(a: string, b: string): number {
  if (a === "" || b === "") return a.length + b.length;
  const [a1, b1] = [a.slice(0, -1), b.slice(0, -1)];
  const same = a.at(-1) === b.at(-1) ? 0 : 1;
  const ways = [alignment(a1, b) + 1, alignment(a, b1) + 1, alignment(a1, b1) + same];
  if (a.length > 1 && b.length > 1 && a.at(-1) === b.at(-2) && a.at(-2) === b.at(-1)) {
    ways.push(alignment(a.slice(0, -2), b.slice(0, -2)) + 1);
  }
  return Math.min(...ways);
}

Deno.test("editDistance is the optimal string alignment", () => {
  const short = fc.string({ unit: fc.constantFrom(..."abc"), maxLength: 5 });
  fc.assert(fc.property(short, short, (a, b) => {
    assert.equal(editDistance(a, b), alignment(a, b));
  }));
  assert.equal(editDistance("publsih", "publish"), 1, "two neighbours that are swapped are one");
});

Deno.test("editDistance is the same both ways, nothing for the same word, at most the longer one", () => {
  fc.assert(fc.property(word, word, (a, b) => {
    const distance = editDistance(a, b);
    assert.equal(distance, editDistance(b, a));
    assert.equal(distance === 0, a === b);
    assert.ok(distance >= Math.abs(a.length - b.length));
    assert.ok(distance <= Math.max(a.length, b.length));
  }));
});

Deno.test("editDistance does not compare words whose lengths are far apart", () => {
  const start = performance.now();
  assert.equal(editDistance("x".repeat(5_000_000), "y".repeat(50_000)), 4_950_000);
  assert.ok(performance.now() - start < 30_000, "a table of them would take many minutes");
});

Deno.test("nearest gives candidates, each once, the nearest first, at most as many as asked", () => {
  fc.assert(fc.property(word, words, fc.integer({ min: 0, max: 5 }), (wrong, candidates, most) => {
    const names = nearest(wrong, candidates, most);
    assert.ok(names.length <= most);
    assert.equal(new Set(names).size, names.length);
    const limit = Math.max(1, Math.floor(wrong.length / 3));
    const distances = names.map((name) => {
      assert.ok(candidates.includes(name));
      return name.startsWith(wrong) && wrong.length > 1 ? 0.5 : editDistance(wrong, name);
    });
    assert.deepEqual(distances, distances.toSorted((a, b) => a - b));
    for (const distance of distances) assert.ok(distance <= limit, "near enough to be meant");
    if (names.length < most) {
      const left = candidates.filter((name) => !names.includes(name));
      for (const name of left) assert.ok(editDistance(wrong, name) > limit, `${name} was left out`);
    }
  }));
});

Deno.test("nearest finds a name with one fault in it, in whatever order the names come", () => {
  const verbs = ["publish", "replay", "consume", "subscription", "schema", "status", "expect"];
  const fault = fc.record({
    name: fc.constantFrom(...verbs),
    at: fc.nat(4),
    how: fc.constantFrom("drop", "double", "swap", "upper"),
  });
  fc.assert(fc.property(fault, fc.shuffledSubarray(verbs, { minLength: 7 }), (given, order) => {
    const { name, at, how } = given;
    const [head, first, second, tail] = [0, at, at + 1, at + 2].map((from, i) =>
      name.slice(from, [at, at + 1, at + 2, name.length][i])
    );
    const wrong = {
      drop: `${head}${second}${tail}`,
      double: `${head}${first}${first}${second}${tail}`,
      swap: `${head}${second}${first}${tail}`,
      upper: name.toUpperCase(),
    }[how];
    assert.equal(nearest(wrong, order)[0], name, wrong);
  }));
});

Deno.test("nearest completes a beginning, and offers nothing when no name is near", () => {
  assert.deepEqual(nearest("sub", ["publish", "subscription", "schema"]), ["subscription"]);
  assert.deepEqual(nearest("frobnicate", ["publish", "tail"]), []);
  assert.deepEqual(nearest("x", []), []);
});

Deno.test("didYouMean joins the names in words, and says nothing when there are none", () => {
  assert.equal(didYouMean("frobnicate", ["tail"]), undefined);
  assert.equal(didYouMean("tial", ["tail", "replay"]), "did you mean tail?");
  assert.equal(didYouMean("ab", ["abc", "abd"]), "did you mean abc or abd?");
  assert.equal(didYouMean("ab", ["abd", "abe", "abc", "abf"]), "did you mean abc, abd or abe?");
});
