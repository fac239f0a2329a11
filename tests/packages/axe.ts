/** The pinned version of axe-core, which looks for barriers in a page; for tests only. */
import axe from "npm:axe-core@4.14.1";

/** The program, for a page to run. */
export const source = axe.source;
/** What it found. */
export type AxeResults = axe.AxeResults;
