/**
 * The response to a lease request, as bytes. It contains each event's own line, so that the payload
 * is exactly what was published. It is written into one buffer: a thousand deliveries make one
 * response, and differ only in a number and a line. Each stands on a line of the response, so that a
 * client can tell them apart without parsing them (core/client/read_lease.ts).
 */
import type { Grant, Lease } from "../../core/delivery/leases.ts";

const encoder = new TextEncoder();
const ZERO = 0x30;
const COMMA = 0x2c;
const BRACE = 0x7d;
const LF = 0x0a;
const CLOSE = encoder.encode("\n]}\n");
/** More than a comma, a line feed, a position and a brace take. */
const AROUND = 20;

/** The text around the position of a delivery, the same for most of a response. */
interface Frame {
  grant: Grant;
  attempt: number;
  /** How many deliveries ended without an answer. */
  unanswered: number | undefined;
  /** Where nodes share the subscription out. */
  epoch: number | undefined;
  before: Uint8Array;
  after: Uint8Array;
}

/** `rest`: everything in the response except the deliveries. `epochOf`: the epoch of a part's claim. */
export function leaseReply(
  rest: object,
  deliveries: readonly Lease[],
  epochOf: (part: number) => number | undefined = () => undefined,
): Uint8Array {
  const head = JSON.stringify(rest).slice(0, -1);
  const text = `${head}${head === "{" ? "" : ","}"deliveries":[`;
  if (deliveries.length === 0) return encoder.encode(`${text}]}\n`);
  const open = encoder.encode(text);
  const count = deliveries.length;
  const lines = new Array<Uint8Array>(count);
  const frames = new Array<Frame>(count);
  let size = open.length + CLOSE.length;
  let frame: Frame | undefined;
  for (let index = 0; index < count; index++) {
    const lease = deliveries[index]!;
    const epoch = epochOf(lease.entry.part);
    if (
      frame?.grant !== lease.grant || frame.attempt !== lease.attempt ||
      frame.unanswered !== lease.entry.unanswered || frame.epoch !== epoch
    ) frame = frameOf(lease, epoch);
    const { line } = lease;
    frames[index] = frame;
    lines[index] = line;
    size += frame.before.length + frame.after.length + line.length + AROUND;
  }
  const bytes = new Uint8Array(size);
  bytes.set(open);
  let at = open.length;
  for (let index = 0; index < count; index++) {
    const { before, after } = frames[index]!;
    const line = lines[index]!;
    if (index > 0) bytes[at++] = COMMA;
    bytes[at++] = LF;
    bytes.set(before, at);
    at = putNumber(bytes, at + before.length, deliveries[index]!.place);
    bytes.set(after, at);
    at += after.length;
    bytes.set(line, at);
    at += line.length;
    if (line[line.length - 1] === LF) at--;
    bytes[at++] = BRACE;
  }
  bytes.set(CLOSE, at);
  return bytes.subarray(0, at + CLOSE.length);
}

function frameOf(
  { grant, attempt, delivery, expiresAt, entry }: Lease,
  epoch: number | undefined,
): Frame {
  const which = entry.unanswered === undefined ? "" : `,"delivery":${delivery}`;
  const since = epoch === undefined ? "" : `,"epoch":${epoch}`;
  return {
    grant,
    attempt,
    unanswered: entry.unanswered,
    epoch,
    before: encoder.encode(`{"lease":"${grant.name}.`),
    after: encoder.encode(
      `","attempt":${attempt}${which}${since},"expiresAt":${expiresAt},"event":`,
    ),
  };
}

function putNumber(bytes: Uint8Array, at: number, number: number): number {
  let digits = 1;
  for (let rest = number; rest >= 10; rest = Math.trunc(rest / 10)) digits++;
  let rest = number;
  for (let i = at + digits - 1; i >= at; i--) {
    bytes[i] = ZERO + rest % 10;
    rest = Math.trunc(rest / 10);
  }
  return at + digits;
}
