/**
 * The least that a follower can be: asks for events, and copies what comes, without its frames, to
 * its output. `copy_lines.ts`, with the socket in `EVS_SOCKET`.
 */
const conn = await Deno.connect({ transport: "unix", path: Deno.env.get("EVS_SOCKET")! });
await conn.write(new TextEncoder().encode("GET /v1/events?topic=t HTTP/1.1\r\n\r\n"));
const buffer = new Uint8Array(64 * 1024);
await conn.read(buffer);
for (let count = await conn.read(buffer); count !== null; count = await conn.read(buffer)) {
  // A chunk: its size, a line, and its end.
  const lines = buffer.subarray(buffer.indexOf(0x0a) + 1, count - 2);
  await Deno.stdout.write(lines);
}
