/** What the daemon counts, and the text that Prometheus reads (exposition format 0.0.4). */

/** Counters rise for the life of the process; gauges are asked for when they are wanted. */
export class Metrics {
  requests = 0;
  errors = 0;
  refused = 0;
  refusedConnections = 0;
  /** Times that no descriptor was left to accept a connection with. */
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
