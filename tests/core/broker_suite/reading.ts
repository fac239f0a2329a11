/** How every broker reads what is stored. */
import assert from "node:assert/strict";
import { InvalidArgumentError } from "../../../mod.ts";
import type { Test } from "./suite.ts";

/** Registers these tests. */
export function reading(test: Test): void {
  test("getNewest returns the newest event of a key, and undefined when there is none", async ({ broker }) => {
    assert.equal(await broker.getNewest("nobody-has-it", "a"), undefined);
    const key = `a "key"/with ü?&`;
    for (const n of [1, 2]) await broker.publish("t", "x", { n }, { key });
    const other = await broker.publish("t", "y", { n: 3 }, { key: "other" });
    await broker.publish("t", "x", { n: 4 });
    const found = await broker.getNewest<{ n: number }>("t", key);
    assert.deepEqual([found?.payload, found?.seq, found?.key], [{ n: 2 }, 2, key]);
    assert.deepEqual(await broker.getNewest("t", "other"), other);
    assert.equal(await broker.getNewest("t", "nobody"), undefined);
    await assert.rejects(broker.getNewest("t", ""), /the key is empty/);
    await assert.rejects(broker.getNewest("a/b", "a"), InvalidArgumentError);
  });
}
