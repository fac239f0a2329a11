/** The name of this machine, as names of nodes begin with it. */

/** Its short name, of letters, digits and hyphens; `node` where that is not known. */
export function machineName(): string {
  try {
    return Deno.hostname().replace(/\..*|[^A-Za-z0-9-]/g, "").slice(0, 63) || "node";
  } catch {
    return "node"; // no permission, or another runtime
  }
}
