/** How a daemon is told its database: what those need to know who do not connect to it. */

/** True for the URL of a PostgreSQL database, whatever else is wrong with it. */
export function isDatabaseUrl(text: string): boolean {
  return /^postgres(?:ql)?:\/\//.test(text);
}

/** The code of errors that go by when the database's server is there again. */
export const DATABASE_AWAY = "postgres/unavailable";

/** True for an error that goes by when the database's server is there again, from wherever it came. */
export function isDatabaseAway(error: unknown): boolean {
  return (error as { code?: unknown } | undefined)?.code === DATABASE_AWAY;
}

/** The variable that has the password of a database. */
export const PASSWORD_VARIABLE = "EVS_POSTGRES_PASSWORD";
