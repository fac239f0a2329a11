/** Whether a payload follows the schema of its type. */
import type { SchemaInfo } from "../../core/protocol/schemas.ts";
import { escapeText } from "../view/format.ts";
import { getJson, pathSegment, send } from "./api.ts";

/** What the daemon says of a payload; without a schema nothing is wrong with it. */
export interface PayloadVerdict {
  valid: boolean;
  /** The version it was checked against; absent: there is no schema. */
  version?: string;
  faults?: { pointer: string; message: string }[];
  error?: { message: string };
}

/** Asks the daemon; nothing is stored. Most types have no schema, and that is no error. */
export async function checkPayload(
  { type, payload, signal }: { type: string; payload: string; signal: AbortSignal },
): Promise<PayloadVerdict> {
  const { schemas } = await getJson<{ schemas: SchemaInfo[] }>("/v1/schemas", signal);
  if (!schemas.some((info) => info.type === type)) return { valid: true };
  const path = `/v1/schemas/${pathSegment(type)}/check`;
  const reply = await send(path, { method: "POST", lines: `${payload}\n`, signal });
  return JSON.parse((await reply.text()).split("\n")[0]!);
}

/** The verdict in words. */
export function verdictWords({ valid, version, faults = [], error }: PayloadVerdict): string {
  if (version === undefined && valid) return "There is no schema for this type.";
  if (valid) return `Valid against version ${version}.`;
  if (error !== undefined) return escapeText(error.message);
  const words = faults.map(({ pointer, message }) =>
    escapeText(pointer === "" ? message : `${pointer} ${message}`)
  );
  return `Not valid against version ${version}: ${words.join("; ")}`;
}
