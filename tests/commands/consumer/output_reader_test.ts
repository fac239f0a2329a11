/** Whether somebody reads what handlers print: `evs consume … -- cat | head -1`. */
import assert from "node:assert/strict";
import { OutputReader } from "../../../commands/consumer/output_reader.ts";
import type { HandlerRun } from "../../../commands/consumer/exit_code.ts";
import { ClosedPipe } from "../../../commands/terminal/output.ts";
import type { ConsumerSettlement } from "../../../core/client/consumer/settlement.ts";

const FAILED = [{ kind: "nack" }] as ConsumerSettlement[];
const DONE = [{ kind: "ack" }] as ConsumerSettlement[];
const BY_SIGPIPE = { kind: "ended", signal: "SIGPIPE" } as HandlerRun;
const BY_ITSELF = { kind: "ended" } as HandlerRun;

/** A reader of which that is known; `gone` counts how often the consumer is told. */
function reader(isGone: boolean | undefined, write: () => Promise<void> = () => Promise.resolve()) {
  const told = { gone: 0 };
  const it = new OutputReader({
    write,
    isGone: () => Promise.resolve(isGone),
    onGone: () => told.gone++,
  });
  return { it, told };
}

Deno.test("OutputReader.look stops the consumer once when a handler failed and nobody reads", async () => {
  const { it, told } = reader(true);
  await it.look(BY_ITSELF, FAILED);
  await it.look(BY_SIGPIPE, FAILED);
  assert.equal(told.gone, 1);
});

Deno.test("OutputReader.look goes by SIGPIPE when it cannot be determined who reads", async () => {
  const { it, told } = reader(undefined);
  await it.look(BY_ITSELF, FAILED);
  assert.equal(told.gone, 0);
  await it.look(BY_SIGPIPE, FAILED);
  assert.equal(told.gone, 1);
});

Deno.test("OutputReader.look lets an attempt count when somebody reads, or nothing failed", async () => {
  const read = reader(false);
  await read.it.look(BY_SIGPIPE, FAILED);
  assert.equal(read.told.gone, 0);
  const done = reader(true);
  await done.it.look(BY_ITSELF, DONE);
  assert.equal(done.told.gone, 0);
});

Deno.test("OutputReader.write discards output and stops the consumer once when nobody reads", async () => {
  const { it, told } = reader(undefined, () => Promise.reject(new ClosedPipe()));
  assert.equal(await it.write(new Uint8Array(1)), false);
  assert.equal(await it.write(new Uint8Array(1)), false);
  assert.equal(told.gone, 1);
  const broken = reader(undefined, () => Promise.reject(new RangeError("what?")));
  await assert.rejects(broken.it.write(new Uint8Array(1)), /what\?/);
});
