/** Which errors say that the database is away, and are no fault of the daemon. */
import assert from "node:assert/strict";
import { UnknownOutcomeError } from "../../../core/postgres/errors.ts";
import { CannotStoreError } from "../../../core/base/errors.ts";
import { DATABASE_AWAY, isOfLostDatabase } from "../../../core/protocol/database_url.ts";

Deno.test("isOfLostDatabase is true when the server is away or left without an answer", () => {
  const away = new CannotStoreError("away", { code: DATABASE_AWAY });
  assert.ok(isOfLostDatabase(away));
  assert.ok(isOfLostDatabase(new UnknownOutcomeError("reset", { cause: away })));
  assert.ok(!isOfLostDatabase(new UnknownOutcomeError("cancelled")));
  assert.ok(!isOfLostDatabase(new CannotStoreError("full", { code: "store/disk-full" })));
  assert.ok(!isOfLostDatabase(undefined));
});
