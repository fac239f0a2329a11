/** Packed requests, as the daemon builds them from a publisher's lines. */
import { IdSource } from "../core/event/id.ts";
import type { PackedRequest } from "../core/store/pack.ts";

const encoder = new TextEncoder();

/** Payloads in a single buffer with something between them, like a publisher's lines. */
export function packedRequest(
  payloads: readonly string[],
  fields: Partial<PackedRequest> = {},
): PackedRequest {
  const bytes = payloads.map((payload) => encoder.encode(payload));
  const bounds = new Uint32Array(bytes.length * 2);
  const buffer = encoder.encode(payloads.map((payload) => `${payload}\n`).join(""));
  let at = 0;
  bytes.forEach(({ length }, i) => {
    bounds[2 * i] = at;
    bounds[2 * i + 1] = at + length;
    at += length + 1;
  });
  return {
    topic: "t",
    count: bytes.length,
    ids: new IdSource().bytes(bytes.length, 1_800_000_000_000),
    types: "x",
    timestamps: 1_800_000_000_000,
    versions: "1.0",
    metadata: "{}",
    payloads: buffer,
    bounds,
    ...fields,
  };
}
