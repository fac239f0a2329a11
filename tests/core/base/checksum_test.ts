/** One checksum, whether it is summed in TypeScript or by the runtime's zlib. */
import assert from "node:assert/strict";
import fc from "../../packages/fast_check.ts";
import { crc32, crc32InScript } from "../../../core/base/checksum.ts";
import { decodeTable, encodeTable } from "../../../core/store/file/lookup_table.ts";
import { assertSeeded } from "../../helpers/seed.ts";

const MIB = 1024 * 1024;

/** From so many bytes on the runtime's is used, for the rest of the process. */
function useNative(): void {
  crc32(new Uint8Array(4 * MIB));
}

Deno.test("crc32 continues from any sum as crc32InScript does, signed or not", async () => {
  useNative();
  const sum = fc.oneof(fc.integer(), fc.nat(2 ** 32 - 1), fc.constantFrom(-1, 2 ** 31, -(2 ** 31)));
  await assertSeeded(
    fc.asyncProperty(fc.uint8Array({ maxLength: 40 }), sum, (bytes, before) => {
      assert.equal(crc32(bytes, before), crc32InScript(bytes, before));
      assert.equal(crc32(bytes, before), crc32(bytes, before >>> 0));
      return Promise.resolve();
    }),
    { numRuns: 1000, file: "tests/core/base/checksum_test.ts" },
  );
});

Deno.test("encodeTable encodes what decodeTable reads, whatever the time is", () => {
  useNative();
  const [ids, keys] = [Uint32Array.of(1, 2, 3), Uint32Array.of(4, 5)];
  // The lower half of a time in ms changes its sign every 25 days.
  for (let days = 0; days < 100; days++) {
    const storedAt = Date.UTC(2026, 0, 1) + days * 86_400_000;
    const table = { ids, keys, storedAt, ages: Float64Array.of(1, storedAt - 5, 3, storedAt) };
    assert.deepEqual(decodeTable(encodeTable(table)), table);
  }
});
