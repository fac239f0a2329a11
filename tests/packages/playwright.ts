/** The pinned version of playwright-core, which drives Debian's Chromium; for tests only. */
export * from "npm:playwright-core@1.65.1";
