/** Shows as what the errors of PostgreSQL and of the connection to it are told. */
import assert from "node:assert/strict";
import { asPostgresError, isLost } from "../../../core/postgres/errors.ts";
import { readTarget } from "../../../core/postgres/url.ts";
import { isDatabaseAway } from "../../../core/protocol/database_url.ts";

const target = readTarget("postgres://h/db");
const told = (code: string) => asPostgresError({ code, message: "x" }, target);

Deno.test("asPostgresError tells what goes by from what does not", () => {
  // Away, starting, cancelled, locked, read-only, out of memory or connections, a disk that fails.
  const goesBy = ["08006", "57P01", "57P03", "57014", "55P03", "25006", "53200", "53300", "58030"];
  for (const code of goesBy) assert.ok(isDatabaseAway(told(code)), code);
  assert.equal(told("53100").code, "store/disk-full");
  for (const code of ["22021", "23502", "42P01"]) assert.equal(told(code).code, "internal/bug");
});

Deno.test("a session that the server ended because it was idle is a lost connection", () => {
  // Idle within a transaction, a transaction that took too long, idle at all.
  for (const code of ["25P03", "25P04", "57P05"]) {
    assert.ok(isDatabaseAway(told(code)), code);
    assert.ok(isLost({ code, message: "x" }), code);
  }
  assert.ok(!isLost({ code: "57014", message: "x" }), "only the statement was cancelled");
});

Deno.test("asPostgresError says that no password was given, not what the driver makes of it", () => {
  const message = "SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string";
  const error = asPostgresError(new Error(message), target);
  assert.equal(error.code, "postgres/authentication");
  assert.match(error.message, /asks for a password, and none was given$/);
  assert.match(error.hint ?? "", /EVS_POSTGRES_PASSWORD/);
});
