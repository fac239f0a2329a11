/** How a daemon is told its database: what those need to know who do not connect to it. */

/** True for the URL of a PostgreSQL database, whatever else is wrong with it. */
export function isDatabaseUrl(text: string): boolean {
  return /^postgres(?:ql)?:\/\//.test(text);
}

/** The variable that has the password of a database. */
export const PASSWORD_VARIABLE = "EVS_POSTGRES_PASSWORD";
