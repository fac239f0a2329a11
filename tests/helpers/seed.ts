/**
 * A reproducible seed for fast-check: `EVS_SEED=N deno test …` runs with the same values again. A
 * failure names its seed.
 */
import fc from "../packages/fast_check.ts";

/** The seed of this run: `EVS_SEED`, or a random one. */
export const seed: number = Number(Deno.env.get("EVS_SEED") ?? Math.floor(Math.random() * 2 ** 31));

/**
 * Asserts a property with {@link seed}; `file` is used in the command that reproduces a failure.
 */
export async function assertSeeded<T>(
  property: fc.IAsyncProperty<T>,
  options: { numRuns: number; file: string },
): Promise<void> {
  try {
    await fc.assert(property, { seed, numRuns: options.numRuns });
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(`EVS_SEED=${seed} deno test -A ${options.file} reproduces it:\n${why}`, {
      cause,
    });
  }
}
