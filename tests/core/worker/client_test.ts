/** Calls to a worker: each gets its own answer or error, and a worker that dies leaves none open. */
import assert from "node:assert/strict";
import { CannotStoreError, DataDirError, InternalError } from "../../../core/base/errors.ts";
import { WorkerClient } from "../../../core/worker/client.ts";

const root = new URL("../../../", import.meta.url);

/** A worker that does what its calls say. */
const PROGRAM = `
import { serveCalls } from "${root}core/worker/server.ts";
import { CannotStoreError, DataDirError } from "${root}core/base/errors.ts";
serveCalls((call, ready) => {
  switch (call.op) {
    case "echo":
      return call.value;
    case "late":
      ready();
      return new Promise((resolve) => setTimeout(() => resolve(call.value), 20));
    case "full":
      throw new CannotStoreError("no room", { code: "store/disk-full", hint: "make room" });
    case "damaged":
      return Promise.reject(new DataDirError("datadir/damaged", "broken"));
    case "bug":
      throw new TypeError("oops");
    case "die":
      setTimeout(() => {
        throw new Error("planted");
      });
      return new Promise(() => {});
  }
});
`;

interface Started extends AsyncDisposable {
  client: WorkerClient;
  /** Errors that the process was told of. */
  reported: Error[];
}

function start(options?: { unbegun: string }): Started {
  const url = URL.createObjectURL(new Blob([PROGRAM], { type: "text/javascript" }));
  const client = new WorkerClient(new URL(url), options);
  const reported: Error[] = [];
  const listen = (event: ErrorEvent) => {
    event.preventDefault();
    reported.push(event.error);
  };
  addEventListener("error", listen);
  return {
    client,
    reported,
    [Symbol.asyncDispose]() {
      removeEventListener("error", listen);
      URL.revokeObjectURL(url);
      client.terminate();
      return Promise.resolve();
    },
  };
}

Deno.test("WorkerClient gives each call its own answer when a later one is answered first", async () => {
  await using at = start();
  const order: unknown[] = [];
  const ready = Promise.withResolvers<void>();
  const late = at.client.call({ op: "late", value: 1 }, { onReady: ready.resolve });
  await ready.promise;
  const both = [late, at.client.call({ op: "echo", value: 2 })].map((call) =>
    call.then((value) => order.push(value))
  );
  await Promise.all(both);
  assert.deepEqual(order, [2, 1]);
});

Deno.test("WorkerClient rejects with an error of the same class and code as in the worker", async () => {
  await using at = start();
  await assert.rejects(at.client.call({ op: "full" }), (error) => {
    assert.ok(error instanceof CannotStoreError);
    assert.deepEqual([error.code, error.message, error.hint], [
      "store/disk-full",
      "no room",
      "make room",
    ]);
    return true;
  });
  await assert.rejects(at.client.call({ op: "damaged" }), (error) => {
    return error instanceof DataDirError && error.code === "datadir/damaged";
  });
  await assert.rejects(at.client.call({ op: "bug" }), (error) => {
    return error instanceof InternalError && /oops/.test(error.message);
  });
  assert.equal(await at.client.call({ op: "echo", value: 1 }), 1, "it goes on");
});

Deno.test("WorkerClient rejects what waits and what comes later when its worker dies, and tells the process", async () => {
  await using at = start({ unbegun: "it had not begun" });
  const waiting = at.client.call({ op: "die" });
  const died = /a worker of the daemon died: .*planted; it had not begun/;
  await assert.rejects(waiting, died);
  await assert.rejects(at.client.call({ op: "echo", value: 1 }), died);
  assert.equal(at.reported.length, 1);
  assert.match(at.reported[0]!.message, died);
});

Deno.test("WorkerClient says nothing of its beginning when its worker dies behind its first answer", async () => {
  await using at = start({ unbegun: "it had not begun" });
  await at.client.call({ op: "echo", value: 1 });
  await assert.rejects(at.client.call({ op: "die" }), ({ message }: Error) => {
    return /planted/.test(message) && !/begun/.test(message);
  });
});

Deno.test("WorkerClient copies small buffers and transfers large ones, and either arrives whole", async () => {
  await using worker = start();
  for (const [bytes, isLost] of [[1, false], [8192, false], [8193, true], [100_000, true]]) {
    const value = new Uint8Array(Number(bytes)).fill(7);
    const { buffer } = value;
    const answer = worker.client.call<Uint8Array>({ op: "echo", value }, { transfer: [buffer] });
    assert.equal(buffer.byteLength === 0, isLost, `${bytes} bytes`);
    assert.deepEqual(await answer, new Uint8Array(Number(bytes)).fill(7));
  }
});
