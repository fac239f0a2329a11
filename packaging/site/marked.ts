/** The pinned version of marked, which only building the site needs. */
export * from "npm:marked@18.2.1";
