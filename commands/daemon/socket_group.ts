/**
 * Looks up the group that may use the socket (`socket_group` in the config file). The daemon sees
 * nothing of the system (contract row 23), so the command that starts it finds the group's number.
 */
import { configTable, textIfThere } from "../cli/config_table.ts";

/** Longer than any list of groups, bytes. */
const LONGEST_LIST = 1024 * 1024;

/**
 * The number of the group that the config file names; undefined if it names none, or one that does
 * not exist.
 */
export async function socketGroupId(config: string): Promise<number | undefined> {
  const name = await groupNameIn(config);
  return name === undefined ? undefined : await groupId(name);
}

async function groupNameIn(config: string): Promise<string | undefined> {
  const { socket_group } = await configTable(config, { word: "socket_group" }) ?? {};
  return typeof socket_group === "string" && socket_group !== "" ? socket_group : undefined;
}

/** The number of a group, as the system knows it: groups may come from a directory service, too. */
async function groupId(name: string): Promise<number | undefined> {
  const local = textIfThere("/etc/group", LONGEST_LIST);
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
