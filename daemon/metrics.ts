/** The daemon's counters, and their text for Prometheus (exposition format 0.0.4). */

/** Counters increase for the life of the process; gauges are computed when they are read. */
export class Metrics {
  requests = 0;
  errors = 0;
  refused = 0;
  refusedConnections = 0;
  /** How often there was no descriptor left to accept a connection. */
  descriptorExhaustions = 0;
  /** Followers connected now. */
  tails = 0;
}

/** One line of the exposition. */
export interface Sample {
  name: string;
  help: string;
  type: "counter" | "gauge";
  value: number;
}

/** The samples as text. */
export function exposition(samples: readonly Sample[]): string {
  return samples.map(({ name, help, type, value }) =>
    `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${name} ${value}\n`
  ).join("");
}
