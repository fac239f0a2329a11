/** Shows what the state in PostgreSQL takes each failure of a transaction for. */
import assert from "node:assert/strict";
import { asPostgresError, UnknownOutcomeError } from "../../../../core/postgres/errors.ts";
import { readTarget } from "../../../../core/postgres/url.ts";
import { fateOf } from "../../../../core/state/postgres/fate.ts";

const target = readTarget("postgres://h/db");
const fateOfState = (code: string) => fateOf(asPostgresError({ code, message: "x" }, target));

Deno.test("fateOf tells what may have been kept from what was not", () => {
  assert.equal(fateOf(new UnknownOutcomeError("lost")), "unknown");
  // evs.note_commit refused what was sent before somebody asked.
  assert.equal(fateOfState("EVF02"), "unknown");
  for (const state of ["57P01", "08006", "40001", "40P01"]) {
    assert.equal(fateOfState(state), "again", state);
  }
  for (const state of ["EVF01", "23502", "53100"]) assert.equal(fateOfState(state), "final", state);
});
