/**
 * Brokers on one state and one store in memory, as nodes are on a database.
 */
import assert from "node:assert/strict";
import { EventBroker } from "../../mod.ts";
import type { EvsError } from "../../core/base/errors.ts";
import { SharedMemory } from "./shared_catalog_state.ts";

/** Brokers on one state; errors that nobody gets fail the test when they are disposed of. */
export async function catalogNodes(count = 2) {
  const shared = new SharedMemory();
  const errors: unknown[] = [];
  const make = () =>
    new EventBroker({
      state: shared.node(),
      eventStore: shared.events,
      onError: (error) => errors.push(error),
    });
  const brokers = Array.from({ length: count }, make);
  await Promise.all(brokers.map(({ ready }) => ready));
  const [a, b] = brokers as [EventBroker, EventBroker];
  return {
    shared,
    brokers,
    errors,
    a,
    b,
    make,
    async [Symbol.asyncDispose]() {
      await Promise.all(brokers.map((broker) => broker.close()));
      assert.deepEqual(errors, []);
    },
  };
}

/** When all have been told of everything, it is so. */
export async function told(shared: SharedMemory, isSo: () => boolean): Promise<void> {
  await shared.quiet();
  assert.ok(isSo(), String(isSo));
}

/** How it ends: "fine", or with which code. */
export const codeOf = (promise: Promise<unknown>) =>
  promise.then(() => "fine", (error: EvsError) => error.code);
