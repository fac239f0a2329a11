/** Shows how values are written into statements for PostgreSQL: none of them can end its quotes. */
import assert from "node:assert/strict";
import { literal, requestOf } from "../../../../core/state/postgres/literal.ts";

Deno.test("literal quotes a text, whatever the server's settings make of a backslash", () => {
  assert.equal(literal("plain"), "'plain'");
  assert.equal(literal("it's"), "'it''s'");
  // A backslash is one in E'', always; in '' it depends on a setting.
  assert.equal(literal("a\\b"), " E'a\\\\b'");
  assert.equal(literal("\\'; DROP TABLE t; --"), " E'\\\\''; DROP TABLE t; --'");
  assert.equal(literal("a\0b"), "'a\ufffdb'");
  assert.deepEqual([literal(null), literal(12), literal(true)], ["NULL", "12", "true"]);
});

Deno.test("requestOf puts each value in its place, and nothing into a value", () => {
  const statements = [
    { text: "SELECT $2, $1, $2", values: ["$2", "$1 '$1'"] },
    {
      text: `SELECT ${Array.from({ length: 11 }, (_, n) => `$${n + 1}`)}`,
      values: Array(11).fill(7),
    },
  ];
  assert.equal(
    requestOf(statements),
    "SELECT '$1 ''$1''', '$2', '$1 ''$1''';\nSELECT 7,7,7,7,7,7,7,7,7,7,7",
  );
});
