/** Where files go that nobody is to find: while a backup comes from a pipe or goes into one. */
export function temporaryFolder(): string {
  return (Deno.env.get("TMPDIR") || "/tmp").replace(/(.)\/+$/, "$1");
}
