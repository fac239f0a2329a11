/** What a stream of lines finds out when its daemon went away: whether to wait, and what is stored. */
import assert from "node:assert/strict";
import {
  CannotStoreError,
  ConnectionLostError,
  InternalError,
  NoDaemonError,
  NotAnsweringError,
  RemoteError,
} from "../../../core/base/errors.ts";
import type { Client } from "../../../core/client/client.ts";
import { isAway, Recovery } from "../../../commands/publisher/recovery.ts";
import { withBatchTag } from "../../../core/event/batch_tag.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";

Deno.test("isAway is true for what ends once there is a daemon again, and for nothing else", () => {
  const away = [
    new ConnectionLostError("gone"),
    new NoDaemonError("nobody"),
    new NotAnsweringError("silent"),
    new CannotStoreError("busy", { code: "daemon/busy" }),
    new RemoteError({ code: "daemon/stopping", message: "stopping" }, 503),
  ];
  for (const error of away) assert.ok(isAway(error), error.name);
  const others = [
    new CannotStoreError("full", { code: "store/disk-full" }),
    new RemoteError({ code: "event/too-large", message: "too large" }, 413),
    new InternalError("a bug"),
    new TypeError("a bug"),
  ];
  for (const error of others) assert.ok(!isAway(error), error.name);
});

/** A recovery with a daemon that has these events behind the last one that was acknowledged. */
function recovery(ids: readonly string[], head = { firstSeq: 1, lastSeq: 2 + ids.length }) {
  const lines = ids.map((id, i) => `${JSON.stringify({ seq: 3 + i, id })}\n`).join("");
  const client = {
    topic: () => Promise.resolve(head),
    read: () =>
      Promise.resolve({
        async *body() {
          yield await Promise.resolve(new TextEncoder().encode(lines));
        },
      }),
  };
  const it = new Recovery({
    client: client as unknown as Client,
    topic: "t",
    clock: new FakeClock(),
    limitMs: 0,
    interrupted: () => false,
    say() {},
  });
  it.acknowledged(2);
  return it;
}

Deno.test("Recovery.stored finds the requests whose first and last ids have their tags", async () => {
  const [one, two, other] = Array.from({ length: 3 }, () => recovery([]).newTag());
  const id = (n: number, tag: string) =>
    withBatchTag(`0190d3b1-7f6e-700${n}-8000-000000000000`, tag);
  const it = recovery([id(1, one!), "between", id(2, one!), id(3, other!)]);
  const found = await it.stored([one!, two!]);
  assert.deepEqual([...found!], [[one, { firstSeq: 3, lastSeq: 5 }]]);
});

Deno.test("Recovery.stored cannot tell when events were deleted that it has not seen", async () => {
  const it = recovery(["x"], { firstSeq: 4, lastSeq: 4 });
  assert.equal(await it.stored(["tag"]), undefined);
});
