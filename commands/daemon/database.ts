/**
 * What a daemon needs to reach its database: found out by the command that starts it, because the
 * daemon sees neither the environment nor any file that its flags do not name (contract row 23).
 */
import { machineName } from "../../core/base/machine_name.ts";
import { InvalidArgumentError } from "../../core/base/errors.ts";
import type { DatabaseAccess } from "../../core/client/launch.ts";
import { isJsonObject } from "../../core/json/json_object.ts";
import { isDatabaseUrl } from "../../core/protocol/database_url.ts";
import { environment as env } from "../../core/protocol/paths.ts";
import { configTable } from "../cli/config_table.ts";

/**
 * How a daemon with these settings reaches its database; undefined if its store is none. Throws
 * `InvalidArgumentError` for a URL that makes no sense or has a password in it.
 */
export async function databaseAccess(
  { store, config }: { store?: string | undefined; config: string },
): Promise<DatabaseAccess | undefined> {
  const settings = await configTable(config, { word: "postgres" }) ?? {};
  const url = store ?? settings.store;
  if (typeof url !== "string" || !isDatabaseUrl(url)) return undefined;
  const { readPublicUrl } = await import("../../core/postgres/password.ts");
  const { addressOf } = await import("../../core/postgres/url.ts");
  const target = readPublicUrl(url);
  const { ca } = isJsonObject(settings.postgres) ? settings.postgres : {};
  const passfile = env("PGPASSFILE");
  if (passfile && !passfile.startsWith("/")) {
    throw new InvalidArgumentError(`PGPASSFILE is an absolute path, not ${passfile}`, {
      code: "postgres/password-file",
      hint: `PGPASSFILE="$PWD/${passfile}"`,
    });
  }
  return {
    ...addressOf(target),
    host: machineName(),
    ...(passfile ? { passfile } : {}),
    ...(typeof ca === "string" && ca.startsWith("/") ? { ca } : {}),
  };
}
