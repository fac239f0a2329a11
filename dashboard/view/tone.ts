/** How serious something is; the style has a colour for each. */
export type Tone = "good" | "warn" | "bad" | "plain";
