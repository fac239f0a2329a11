/**
 * The thread that writes the state: a {@link SqliteState} that answers calls. See
 * core/state/worker_state.ts.
 */
import { InternalError } from "../core/base/errors.ts";
import { moduleState } from "../core/base/module_state.ts";
import { SqliteState } from "../core/state/sqlite.ts";
import type { StateCall } from "../core/state/worker_state.ts";
import { serveCalls } from "../core/worker/server.ts";

const own = moduleState(() => ({ state: undefined as SqliteState | undefined }));

serveCalls((message) => {
  const call = message as StateCall;
  if (call.op === "open") {
    own().state = new SqliteState(call.path, { again: call.again, lock: false });
    return;
  }
  const { state } = own();
  if (!state) throw new InternalError(`the state was asked to ${call.op} before it was opened`);
  if (call.op === "commit") state.commitSync(call.changes, { sync: call.sync });
  else if (call.op === "scrub") call.step === "begin" ? state.beginScrub() : state.endScrub();
  else state.closeSync();
});
