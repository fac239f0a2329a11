/** What publishers are told when the daemon could store only some of the events of a request. */
import assert from "node:assert/strict";
import { CannotStoreError } from "../../../../core/base/errors.ts";
import { systemClock } from "../../../../core/base/clock.ts";
import { RemotePublisher } from "../../../../core/client/broker/remote_publisher.ts";
import type { Client } from "../../../../core/client/client.ts";
import { HttpResponse } from "../../../../core/client/connection.ts";

/** A client whose daemon replies to each request with a status and a body made from its lines. */
function clientOf(reply: (lines: { id: string }[]) => { status: number; body: unknown }): Client {
  const fetchAny = ({ body }: { body: string }) => {
    const lines = body.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line));
    const { status, body: answer } = reply(lines);
    const bytes = new TextEncoder().encode(JSON.stringify(answer));
    return Promise.resolve(
      new HttpResponse(
        { status, headers: new Map() },
        (async function* () {
          yield bytes;
        })(),
      ),
    );
  };
  return { fetchAny } as unknown as Client;
}

function publisherAt(client: Client): RemotePublisher {
  const context = { client, clock: systemClock, patienceMs: 0, waits: () => undefined };
  return new RemotePublisher(context);
}

const FULL = { code: "store/disk-full", message: "the disk is full: nothing of this was stored" };

Deno.test("RemotePublisher tells who was stored and who was not when the disk was full in between", async () => {
  const publisher = publisherAt(clientOf(([first]) => ({
    status: 507,
    body: {
      count: 1,
      refused: [{ line: 3, code: "event/schema-violation", message: "payload: no text" }],
      events: [{ seq: 7, id: first!.id, schemaVersion: "1.0" }],
      error: FULL,
    },
  })));
  const publish = (payload: number) =>
    publisher.publish("t", { type: "x", payload, options: undefined });
  const [first, second, third] = await Promise.allSettled([1, 2, 3].map(publish));
  assert.equal(first!.status === "fulfilled" && first!.value.seq, 7);
  assert.ok(second!.status === "rejected" && second!.reason instanceof CannotStoreError);
  assert.equal(second!.reason.code, "store/disk-full");
  assert.equal(third!.status === "rejected" && third!.reason.code, "event/schema-violation");
});

Deno.test("RemotePublisher rejects all of a request when nothing of it was stored", async () => {
  const publisher = publisherAt(clientOf(() => ({
    status: 507,
    body: { count: 0, refused: [], events: [], error: FULL },
  })));
  const publish = (payload: number) =>
    publisher.publish("t", { type: "x", payload, options: undefined });
  for (const one of await Promise.allSettled([1, 2].map(publish))) {
    assert.equal(one.status === "rejected" && one.reason.code, "store/disk-full");
  }
});
