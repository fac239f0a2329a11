/** Lease requests with heartbeats: how long silence may last, and daemons that have none. */
import assert from "node:assert/strict";
import { type Address, Client } from "../../../core/client/client.ts";
import { Connection, HttpResponse } from "../../../core/client/connection.ts";
import { DeadConnectionError } from "../../../core/client/consumer/port.ts";
import { WatchedLeases } from "../../../core/client/watched_leases.ts";
import { RemoteError } from "../../../core/base/errors.ts";
import type { LeaseRequest } from "../../../core/protocol/protocol.ts";
import { FakeClock } from "../../helpers/fake_clock.ts";

const encoder = new TextEncoder();
const REPLY = '{"deliveries":[]}';
const WAIT_MS = 30_000;

/** A daemon that answers every inquiry at once. */
const answering: Address = {
  socket: "/nowhere",
  connect() {
    const answer = encoder.encode("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}");
    return Promise.resolve(
      new Connection({
        read: (buffer) => Promise.resolve((buffer.set(answer), answer.length)),
        write: (bytes) => Promise.resolve(bytes.length),
        close() {},
      }),
    );
  },
};

/** Takes lease requests, and says nothing or answers with these pieces. */
class Leasing extends Client {
  readonly asked: LeaseRequest[] = [];
  pieces: string[] | undefined;
  knowsHeartbeats = true;

  constructor() {
    super({ socket: "/nowhere" });
  }

  override leaseResponse(_: string, request: LeaseRequest): Promise<HttpResponse> {
    this.asked.push(request);
    if (request.heartbeatMs !== undefined && !this.knowsHeartbeats) {
      const details = { field: "heartbeatMs" };
      return Promise.reject(
        new RemoteError({ code: "argument/invalid", message: "no such field", details }, 400),
      );
    }
    const { pieces } = this;
    if (pieces === undefined) return new Promise(() => {});
    async function* body(): AsyncGenerator<Uint8Array, void, undefined> {
      for (const piece of pieces!) yield await Promise.resolve(encoder.encode(piece));
    }
    return Promise.resolve(new HttpResponse({ status: 200, headers: new Map() }, body()));
  }
}

function leasing() {
  const clock = new FakeClock();
  const leases = new WatchedLeases({
    socket: answering,
    subscription: "s",
    clock,
    say: (text) => assert.fail(text),
  });
  const client = new Leasing();
  /** How long a request without an answer takes until its connection counts as dead, ms. */
  const giveUp = async (): Promise<number> => {
    client.pieces = undefined;
    const began = clock.monotonic();
    let error: unknown;
    leases.ask(client, { waitMs: WAIT_MS }).catch((caught) => error = caught);
    while (error === undefined) {
      await clock.pass(500);
      await new Promise((resolve) => setTimeout(resolve, 0)); // all that it started has settled
    }
    assert.ok(error instanceof DeadConnectionError);
    return clock.monotonic() - began;
  };
  const answer = async (...pieces: string[]) => {
    client.pieces = pieces;
    return new TextDecoder().decode(await leases.ask(client, { waitMs: WAIT_MS }));
  };
  return { clock, leases, client, giveUp, answer };
}

Deno.test("WatchedLeases waits longer after each connection that it gave up, until heartbeats come", async () => {
  const { clock, client, giveUp, answer } = leasing();
  const limits = [3000, 6000, 12_000, 24_000, 48_000, 60_000, 60_000];
  for (const limit of limits) assert.equal(await giveUp(), 2 * limit);
  assert.equal(await answer(REPLY), REPLY);
  assert.equal(await giveUp(), 120_000, "an answer that came at once proves nothing");
  assert.equal(await answer("\n", "\n", REPLY), `\n\n${REPLY}`);
  assert.equal(await giveUp(), 6000);
  assert.ok(client.asked.every(({ heartbeatMs }) => heartbeatMs === 1000));
  assert.equal(clock.timers, 0);
});

Deno.test("WatchedLeases asks an older daemon without heartbeats, and gives it the time that it may take", async () => {
  const { leases, client, giveUp, answer } = leasing();
  client.knowsHeartbeats = false;
  assert.equal(await answer(REPLY), REPLY);
  assert.equal(await answer(REPLY), REPLY);
  assert.deepEqual(
    client.asked.map(({ heartbeatMs }) => heartbeatMs),
    [1000, undefined, undefined],
    "it is asked once",
  );
  assert.equal(await giveUp(), 2 * (WAIT_MS + 3000));
  client.asked.length = 0;
  // A newer one may have taken its place.
  client.knowsHeartbeats = true;
  leases.reconnected();
  assert.equal(await answer(REPLY), REPLY);
  assert.deepEqual(client.asked.map(({ heartbeatMs }) => heartbeatMs), [1000]);
});

Deno.test("WatchedLeases passes other errors on", async () => {
  const { leases } = leasing();
  const error = new RemoteError({ code: "subscription/not-found", message: "gone" }, 404);
  class Refusing extends Client {
    override leaseResponse(): Promise<HttpResponse> {
      return Promise.reject(error);
    }
  }
  const asked = leases.ask(new Refusing({ socket: "/nowhere" }), {});
  await assert.rejects(asked, (caught) => caught === error);
});
