/** The samples of `/metrics`. */
import type { TestDaemon } from "./daemon.ts";

/** The value of each series, by its name with its labels. */
export async function metricsOf(at: TestDaemon): Promise<Map<string, number>> {
  const { text } = await at.http("GET", "/metrics");
  return new Map(
    text.split("\n").filter((line) => line !== "" && !line.startsWith("#")).map((line) => {
      const space = line.lastIndexOf(" ");
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}
