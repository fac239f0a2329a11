/** Schemas by type, and which topics use them. Pure. */
import type { SchemaInfo } from "../../core/protocol/schemas.ts";

/** A type with its versions. */
export interface SchemaType {
  name: string;
  /** The highest version. */
  latest: string;
  /** As the daemon lists them. */
  versions: readonly SchemaInfo[];
  compatibility: string;
  registeredAt: number;
}

/** The types, by name. */
export function schemaTypes(schemas: readonly SchemaInfo[]): SchemaType[] {
  const byType = new Map<string, SchemaInfo[]>();
  for (const info of schemas) {
    byType.set(info.type, [...byType.get(info.type) ?? [], info]);
  }
  return Array.from(byType, ([name, versions]) => {
    const latest = versions.find((info) => info.latest) ?? versions.at(-1)!;
    return {
      name,
      versions,
      latest: latest.version,
      compatibility: latest.compatibility ?? "none",
      registeredAt: latest.registeredAt,
    };
  }).sort((a, b) => a.name < b.name ? -1 : 1);
}

/** What is read of `GET /v1/asyncapi`. */
export interface ChannelDocument {
  channels?: Record<string, { address?: string; messages?: Record<string, { $ref?: string }> }>;
  components?: { messages?: Record<string, { name?: string }> };
}

/** The topics that have events of a type. */
export function topicsOfType(
  { channels = {}, components = {} }: ChannelDocument,
  type: string,
): string[] {
  const nameOf = (ref = "") => {
    const last = ref.slice(ref.lastIndexOf("/") + 1).replaceAll("~1", "/").replaceAll("~0", "~");
    return components.messages?.[last]?.name;
  };
  return Object.entries(channels)
    .filter(([, { messages = {} }]) =>
      Object.values(messages).some(({ $ref }) => nameOf($ref) === type)
    )
    .map(([name, { address }]) => address ?? name)
    .sort();
}

/** The two versions to compare at first: the latest, and the one before it. */
export function comparedVersions(
  { versions, latest }: SchemaType,
  query: URLSearchParams,
): { from: string; to: string } {
  const at = versions.findIndex(({ version }) => version === latest);
  const known = (name: string) => {
    const wanted = query.get(name);
    return versions.find(({ version }) => version === wanted)?.version;
  };
  const before = versions[at - 1]?.version ??
    versions.find(({ version }) => version !== latest)?.version;
  return { from: known("from") ?? before ?? latest, to: known("to") ?? latest };
}
