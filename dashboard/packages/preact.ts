/** The pinned version of Preact, which draws the pages of the dashboard. */
export { Fragment, h, render } from "npm:preact@11.2.0";
export type { ComponentChildren, JSX } from "npm:preact@11.2.0";
export { useEffect, useId, useMemo, useRef, useState } from "npm:preact@11.2.0/hooks";
