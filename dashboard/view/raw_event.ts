/** Events with their payload and metadata as the daemon wrote them, byte for byte. Pure. */
import { splitElements, splitMembers } from "../../core/json/json.ts";

/** An event whose numbers are as they were written. */
export interface RawEvent {
  topic: string;
  /** Digits. */
  seq: string;
  id: string;
  type: string;
  timestamp: number;
  schemaVersion: string;
  key?: string;
  keySeq?: string;
  expiresAt?: number;
  /** JSON as it was written. */
  metadata: string;
  /** JSON as it was written. */
  payload: string;
}

const encoder = new TextEncoder();

/** The members of a JSON object as they were written; the last of each name counts. */
export function rawMembers(json: string): Map<string, string> {
  return new Map(splitMembers(json, encoder.encode(json)).map(({ name, text }) => [name, text]));
}

/** The elements of a JSON array as they were written. */
export function elementsOf(json: string): string[] {
  return splitElements(json, encoder.encode(json)).map(({ text }) => text);
}

/** Reads a line of NDJSON. */
export function readEvent(line: string): RawEvent {
  const members = rawMembers(line);
  const text = (name: string): string => JSON.parse(members.get(name) ?? '""');
  const maybe = <T>(name: string, read: (json: string) => T): T | undefined => {
    const json = members.get(name);
    return json === undefined ? undefined : read(json);
  };
  return {
    topic: text("topic"),
    seq: members.get("seq") ?? "",
    id: text("id"),
    type: text("type"),
    timestamp: Number(members.get("timestamp")),
    schemaVersion: text("schemaVersion"),
    key: maybe("key", JSON.parse),
    keySeq: members.get("keySeq"),
    expiresAt: maybe("expiresAt", Number),
    metadata: members.get("metadata") ?? "{}",
    payload: members.get("payload") ?? "null",
  };
}

/** An object with one member replaced; everything else stays as it was written. */
export function withMember(json: string, name: string, value: string): string {
  const members = splitMembers(json, encoder.encode(json)).map((member) =>
    `${JSON.stringify(member.name)}:${member.name === name ? value : member.text}`
  );
  return `{${members.join(",")}}`;
}
