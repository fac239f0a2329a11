/**
 * A server that does nothing but put together a text of many lines, anew for each request, and send
 * it: what such a text costs at least in plain JavaScript. A control for what the daemon needs for
 * one of that length. Arguments: the path of its socket, how many lines; it prints a line when it
 * serves.
 */
const [path, count] = Deno.args;
const names = Array.from({ length: Number(count) }, (_, i) => `s${i}`);
const encoder = new TextEncoder();
const ready = new Uint8Array([0x0a]);

Deno.serve({ path: path!, onListen: () => void Deno.stdout.writeSync(ready) }, () => {
  const lines: string[] = [];
  for (const [i, name] of names.entries()) {
    lines.push(`evs_subscription_handler_seconds{subscription="${name}",le="0.005"} ${i % 9}\n`);
  }
  return new Response(encoder.encode(lines.join("")));
});
