/** The version, as in deno.json (a test holds one against the other). */
export const VERSION = "0.1.0";
