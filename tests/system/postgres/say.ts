/** How a node in a process of its own tells a test what it does. */

const encoder = new TextEncoder();

/** Tells a line in one piece, so that a kill leaves none in halves but the last. */
export function say(line: string): void {
  Deno.stdout.writeSync(encoder.encode(`${line}\n`));
}
