/** The database of a data dir, for commands that look at it themselves: with or without a daemon. */
import { readDatabaseMark } from "../../core/data_dir/database_mark.ts";
import { isJsonObject } from "../../core/json/json_object.ts";
import type { PostgresOptions } from "../../core/postgres/url.ts";
import { PASSWORD_VARIABLE } from "../../core/protocol/database_url.ts";
import { environment as env, type Paths } from "../../core/protocol/paths.ts";
import { configTable } from "../cli/config_table.ts";

/** How it is reached, as its daemon does; undefined: the data dir has its own files. */
export async function databaseOf(paths: Paths): Promise<PostgresOptions | undefined> {
  const url = readDatabaseMark(paths.dataDir);
  return url === undefined ? undefined : await databaseAt(url, paths);
}

/**
 * How a database is reached by its URL, with the password from where a daemon looks for it. Throws
 * `InvalidArgumentError` if the URL makes no sense, or has a password in it.
 */
export async function databaseAt(url: string, { config }: Paths): Promise<PostgresOptions> {
  const { passwordFor, readPublicUrl } = await import("../../core/postgres/password.ts");
  const { readCertificates } = await import("../../core/postgres/certificates.ts");
  const { postgres } = await configTable(config, { word: "postgres" }) ?? {};
  const { password: configured, ca } = isJsonObject(postgres) ? postgres : {};
  const password = passwordFor(readPublicUrl(url), {
    variable: env(PASSWORD_VARIABLE),
    configured: typeof configured === "string" ? configured : undefined,
    passfile: env("PGPASSFILE"),
  });
  return { url, password, ca: readCertificates(typeof ca === "string" ? ca : undefined) };
}
