/**
 * Looks up the group that may use the socket (`socket_group` in the config file). The daemon sees
 * nothing of the system (contract row 23), so the command that starts it finds the group's number.
 * The config file is the daemon's to check: what is wrong with it is no error here.
 */

/** Longer than any real config file, bytes. */
const LONGEST_CONFIG = 1024 * 1024;

/**
 * The number of the group that the config file names; undefined if it names none, or one that does
 * not exist.
 */
export async function socketGroupId(config: string): Promise<number | undefined> {
  const name = await groupNameIn(config);
  return name === undefined ? undefined : await groupId(name);
}

async function groupNameIn(config: string): Promise<string | undefined> {
  const source = textOf(config);
  // Parsing TOML costs a package, which most starts do without.
  if (source === undefined || !source.includes("socket_group")) return undefined;
  const { parse, TomlError } = await import("smol-toml");
  try {
    const { socket_group } = parse(source);
    return typeof socket_group === "string" && socket_group !== "" ? socket_group : undefined;
  } catch (error) {
    if (error instanceof TomlError) return undefined;
    throw error;
  }
}

function textOf(path: string): string | undefined {
  try {
    const { isFile, size } = Deno.statSync(path);
    return isFile && size <= LONGEST_CONFIG ? Deno.readTextFileSync(path) : undefined;
  } catch {
    // The daemon says what is wrong with it.
    return undefined;
  }
}

/** The number of a group, as the system knows it: groups may come from a directory service, too. */
async function groupId(name: string): Promise<number | undefined> {
  const local = textOf("/etc/group");
  const id = local === undefined ? undefined : idIn(local, name);
  if (id !== undefined) return id;
  try {
    const { stdout } = await new Deno.Command("getent", { args: ["group", name], stdin: "null" })
      .output();
    return idIn(new TextDecoder().decode(stdout), name);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return undefined;
    throw error;
  }
}

/** The number of a group in the lines of group(5). Pure. */
export function idIn(lines: string, name: string): number | undefined {
  for (const line of lines.split("\n")) {
    const [found, , id] = line.split(":");
    if (found === name && /^\d+$/.test(id ?? "")) return Number(id);
  }
  return undefined;
}
