/**
 * Lists refused lines up to a limit: the error for a line of two bytes takes hundreds (contract row
 * 16).
 */
import type { RefusedLine } from "../../core/protocol/protocol.ts";
import type { EvsError } from "../../core/base/errors.ts";

const LISTED = 1000;

/** The first thousand, and the number of further ones. */
export class RefusedLines {
  readonly listed: RefusedLine[] = [];
  more = 0;

  get count(): number {
    return this.listed.length + this.more;
  }

  add(line: number, error: EvsError): void {
    if (this.listed.length < LISTED) this.listed.push({ line, ...error.toBody() });
    else this.more++;
  }
}
