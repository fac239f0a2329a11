/** Which errors say that the database is away. */
import assert from "node:assert/strict";
import { UnknownOutcomeError } from "../../../core/postgres/errors.ts";
import { CannotStoreError, RemoteError } from "../../../core/base/errors.ts";
import { DATABASE_AWAY, isDatabaseAway } from "../../../core/protocol/database_url.ts";

Deno.test("isDatabaseAway is true for what goes by when the server is there again", () => {
  const away = new CannotStoreError("away", { code: DATABASE_AWAY });
  assert.ok(isDatabaseAway(away));
  // As a client of the daemon is told it.
  const remote = new RemoteError({ code: DATABASE_AWAY, message: "away" }, 507);
  assert.ok(isDatabaseAway(remote));
  // What was sent may be stored: that it is sent again is for nobody to decide by this.
  assert.ok(!isDatabaseAway(new UnknownOutcomeError("reset", { cause: away })));
  assert.ok(!isDatabaseAway(new UnknownOutcomeError("cancelled")));
  assert.ok(!isDatabaseAway(new CannotStoreError("full", { code: "store/disk-full" })));
  assert.ok(!isDatabaseAway(undefined));
});
