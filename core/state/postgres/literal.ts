/**
 * Statements with their values written into them, so that those of a transaction are one request
 * with one answer: on a network, or on a machine that is busy, each answer costs more than its
 * statement. PostgreSQL runs what comes in one request as one transaction.
 */
import type { BoundStatement } from "./batches.ts";
import { withoutNul } from "./values.ts";

/** The request that runs these statements: all of them or none. */
export function requestOf(statements: readonly BoundStatement[]): string {
  return statements.map(written).join(";\n");
}

/** A statement with its values in it. */
function written({ text, values }: BoundStatement): string {
  return text.replace(/\$(\d+)/g, (_, place) => literal(values[Number(place) - 1]!));
}

/** A value as SQL, whatever `standard_conforming_strings` is. */
export function literal(value: BoundStatement["values"][number]): string {
  if (value === null) return "NULL";
  if (typeof value !== "string") return String(value);
  const quoted = withoutNul(value).replaceAll("'", "''");
  return quoted.includes("\\") ? ` E'${quoted.replaceAll("\\", "\\\\")}'` : `'${quoted}'`;
}
