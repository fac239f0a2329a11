/** The lint rule that limits functions to 60 lines. */
import assert from "node:assert/strict";
import plugin, { MOST_LINES } from "./function_length.ts";

const lines = (count: number, line = "  step();") => Array(count).fill(line).join("\n");

/** What the rule says of a source: the line of each function that it names, and what it says. */
function found(source: string): string[] {
  return Deno.lint.runPlugin(plugin, "main.ts", source).map(({ message, range }) => {
    const line = source.slice(0, range[0]).split("\n").length;
    return `${line}: ${message}`;
  });
}

Deno.test("function-length names a function when it has more lines than the most", () => {
  const body = lines(MOST_LINES - 1);
  for (const head of ["function f()", "const f = () =>", "const f = function ()"]) {
    assert.deepEqual(found(`${head} {\n${lines(MOST_LINES - 2)}\n}`), [], head);
    assert.deepEqual(
      found(`\n${head} {\n${body}\n}`),
      [`2: a function of ${MOST_LINES + 1} lines: one thing, or several?`],
      head,
    );
  }
  assert.equal(found(`class A {\n  f() {\n${body}\n  }\n}`).length, 1);
  assert.equal(found(`const a = { f() {\n${body}\n} };`).length, 1);
});

Deno.test("function-length counts an inner function with the one around it", () => {
  const inner = `  const g = () => {\n${lines(40)}\n  };`;
  assert.deepEqual(found(`function f() {\n${inner}\n${lines(10)}\n}`), []);
  assert.deepEqual(found(`function f() {\n${inner}\n${lines(20)}\n}`).length, 1);
});

Deno.test("function-length leaves texts and tables aside, in inner functions too", () => {
  const table = `[\n${lines(50, "  { a: 1, b: [2,\n3] },")}\n]`;
  const text = `\`\n${lines(100, "echo ${one}")}\n\``;
  for (const literal of [table, text, `{ a: ${table}, b: ${text} }`]) {
    const source = `function f() {\n  return ${literal};\n}`;
    assert.deepEqual(found(source), []);
    assert.deepEqual(found(`function f() {\n  const g = () => (${literal});\n}`), []);
  }
});

Deno.test("function-length counts a literal when something runs in it", () => {
  const runs = `{\n  f() {\n${lines(MOST_LINES)}\n  },\n}`;
  assert.equal(found(`function f() {\n  return ${runs};\n}`).length, 2);
  const awaits = `[\n${lines(MOST_LINES, "  await step(),")}\n]`;
  assert.equal(found(`async function f() {\n  return ${awaits};\n}`).length, 1);
  const mixed = `[\n${lines(MOST_LINES, "  1,")}\n  () => 1,\n]`;
  assert.equal(found(`function f() {\n  return ${mixed};\n}`).length, 1);
});

Deno.test("function-length leaves a table aside that stands in a literal where something runs", () => {
  const table = `[\n${lines(MOST_LINES, "  1,")}\n]`;
  assert.deepEqual(found(`function f() {\n  return { g: () => 1, table: ${table} };\n}`), []);
});

Deno.test("function-length counts a test for itself, and not with what registers it", () => {
  const tests = ["test", "Deno.test", "it", "t.step"].flatMap((register) => [
    `  ${register}("a", () => {\n${lines(40)}\n  });`,
    `  ${register}({ name: "a", fn() {\n${lines(40)}\n  } });`,
  ]);
  assert.deepEqual(found(`function suite() {\n${tests.join("\n")}\n}`), []);
  const long = `  test("a", () => {\n${lines(MOST_LINES)}\n  });`;
  assert.deepEqual(found(`function suite() {\n${long}\n}`), [
    `2: a function of ${MOST_LINES + 2} lines: one thing, or several?`,
  ]);
  const other = `  retest("a", () => {\n${lines(MOST_LINES - 5)}\n  });`;
  assert.equal(found(`function suite() {\n${lines(10)}\n${other}\n}`).length, 1);
});
