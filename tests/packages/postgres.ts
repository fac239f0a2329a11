export { default } from "npm:postgres@3.4.9";
