/** The pinned version of get-east-asian-width, for tests only. */
export { eastAsianWidth } from "npm:get-east-asian-width@1.4.0";
