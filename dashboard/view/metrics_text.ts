/** What the charts need of `/metrics`: one number for each of a few series. Pure. */

/** What was so at a time. Sizes in bytes; undefined: not known. */
export interface Sample {
  /** Unix ms. */
  at: number;
  /** Events stored since the daemon's start. */
  stored: number | undefined;
  /** To be delivered, over all subscriptions. */
  pending: number | undefined;
  leased: number | undefined;
  deadLetters: number | undefined;
  diskUsed: number | undefined;
  diskFree: number | undefined;
}

const SERIES: Record<string, Exclude<keyof Sample, "at">> = {
  evs_events_stored_total: "stored",
  evs_subscription_pending: "pending",
  evs_leases: "leased",
  evs_dead_letters: "deadLetters",
  evs_disk_used_bytes: "diskUsed",
  evs_disk_free_bytes: "diskFree",
};

/** Reads them; series with labels are summed up. */
export function sampleOf(metrics: string, at: number): Sample {
  const sample: Sample = {
    at,
    stored: undefined,
    // Without subscriptions nothing is pending.
    pending: 0,
    leased: undefined,
    deadLetters: undefined,
    diskUsed: undefined,
    diskFree: undefined,
  };
  for (const [, series, value] of metrics.matchAll(/^(evs_\w+)(?:\{[^\n]*\})? (\S+)$/gm)) {
    const name = SERIES[series!];
    if (name !== undefined) sample[name] = (sample[name] ?? 0) + Number(value);
  }
  return sample;
}
