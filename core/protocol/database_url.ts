/** How a daemon is told its database: what those need to know who do not connect to it. */

/** True for the URL of a PostgreSQL database, whatever else is wrong with it. */
export function isDatabaseUrl(text: string): boolean {
  return /^postgres(?:ql)?:\/\//.test(text);
}

/** The code of errors that go by when the database's server is there again. */
export const DATABASE_AWAY = "postgres/unavailable";

/** True if the server is why: it is away, or went away before it told what became of a change. */
export function isOfLostDatabase(error: unknown): boolean {
  const codes = [error, (error as Error | undefined)?.cause].map((one) =>
    (one as { code?: unknown } | undefined)?.code
  );
  return codes.includes(DATABASE_AWAY);
}

/** The variable that has the password of a database. */
export const PASSWORD_VARIABLE = "EVS_POSTGRES_PASSWORD";
