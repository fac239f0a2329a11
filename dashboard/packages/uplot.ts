/** The pinned version of uPlot, which draws the charts of the dashboard. */
export { default } from "npm:uplot@1.6.32";
