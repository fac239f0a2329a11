/**
 * One text, or any bytes, as the body of a publish (`evs publish --text`, `--binary`), and what a
 * refused line of text means.
 */
import { EventRefusedError } from "../../core/base/errors.ts";
import { badByteOf } from "../../core/json/utf8.ts";
import type { RefusedLine } from "../../core/protocol/protocol.ts";
import { withoutMark } from "../cli/byte_order_mark.ts";
import type { Refusal } from "./pipeline.ts";

const LF = 0x0a;
const OPEN_OBJECT = 0x7b;
/** What stands for bytes of an argument that are not UTF-8. */
const REPLACEMENT = "\ufffd";
const TAKES_BYTES = "--binary takes any bytes, as base64";

/**
 * The metadata of a base64 payload, in the words of JSON Schema. `metadata` may name another media
 * type.
 */
export function binaryMetadata(metadata: Record<string, string>): Record<string, string> {
  return {
    contentMediaType: "application/octet-stream",
    ...metadata,
    contentEncoding: "base64",
  };
}

/** The bytes of standard input as a JSON string. Throws `EventRefusedError` unless UTF-8. */
export function textBody(input: Uint8Array): string {
  const text = withoutMark(input);
  try {
    return JSON.stringify(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(text));
  } catch (cause) {
    const at = badByteOf(text);
    const start = text.subarray(0, at).lastIndexOf(LF) + 1;
    let line = 1;
    for (let next = text.indexOf(LF); next >= 0 && next < at; next = text.indexOf(LF, next + 1)) {
      line++;
    }
    const column = at - start + 1;
    throw new EventRefusedError(
      "event/invalid-utf8",
      `line ${line}: byte ${column} of the line is not UTF-8`,
      { hint: TAKES_BYTES, details: { line, column }, cause },
    );
  }
}

/** Any bytes as a JSON string in base64. */
export function base64Body(bytes: Uint8Array): string {
  return `"${bytes.toBase64()}"`;
}

/** An argument as a JSON string. Bytes that were not UTF-8 are lost already: it is refused. */
export function argumentBody(text: string): string {
  const at = text.indexOf(REPLACEMENT);
  if (at < 0) return JSON.stringify(text);
  throw new EventRefusedError(
    "event/invalid-utf8",
    `character ${at + 1} of the text is U+FFFD, which stands for bytes that are not UTF-8`,
    { hint: "pass the text through standard input: PAYLOAD is - then" },
  );
}

/** A refused line of `--lines` that is not UTF-8. */
export function explainText(refused: RefusedLine): Refusal {
  if (refused.code !== "event/invalid-utf8") return refused;
  return { ...refused, advice: TAKES_BYTES };
}

/** A refused line of `--ndjson` that looks like text. */
export function explainJson(refused: RefusedLine, sent: Uint8Array): Refusal {
  const isText = refused.code === "event/invalid-json" && sent[0] !== OPEN_OBJECT;
  return isText ? { ...refused, advice: "for lines of text: --lines, not --ndjson" } : refused;
}
