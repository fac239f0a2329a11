/** The addresses of the dashboard: `#/topics/orders?type=order.placed`. Pure. */

/** Which page, of what, and how it is filtered. */
export interface Place {
  /** The first part of the path; empty for the overview. */
  page: string;
  /** The other parts, decoded. */
  names: readonly string[];
  query: URLSearchParams;
}

/** Reads a fragment. A part that is not encoded as it should be is taken as it stands. */
export function parsePlace(hash: string): Place {
  const text = hash.replace(/^#?\/?/, "");
  const mark = text.indexOf("?");
  const path = mark < 0 ? text : text.slice(0, mark);
  const [page = "", ...names] = path.split("/").map(decoded);
  return {
    page,
    names: names.filter((name) => name !== ""),
    query: new URLSearchParams(mark < 0 ? "" : text.slice(mark + 1)),
  };
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Values of a query; those that are empty or undefined are left out. */
export type PlaceQuery = Record<string, string | number | undefined>;

/** The fragment that leads there. */
export function hashOf(parts: readonly string[], query: PlaceQuery = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  const path = parts.map(encodeURIComponent).join("/");
  return `#/${path}${search.size === 0 ? "" : `?${search}`}`;
}
