/** The program as packages have it, built once for all tests of a file. */
import { buildProgram, type Program } from "../../packaging/program.ts";

let built: Promise<Program> | undefined;

/** Builds it at the first call. */
export function program(): Promise<Program> {
  return built ??= buildProgram();
}
