/** Light or dark: what the system prefers, unless a person chose. */
import { Signal } from "./signal.ts";

/** `auto` is what the system prefers. */
export type Theme = "auto" | "light" | "dark";

const STORED_AS = "evs-dashboard-theme";
const THEMES: readonly Theme[] = ["auto", "light", "dark"];

/** What is chosen. */
export const theme: Signal<Theme> = new Signal<Theme>(stored());

function stored(): Theme {
  const found = localStorage.getItem(STORED_AS);
  return THEMES.find((one) => one === found) ?? "auto";
}

/** Makes the page look so, now and when it is opened again. */
export function chooseTheme(chosen: Theme): void {
  localStorage.setItem(STORED_AS, chosen);
  document.documentElement.dataset["theme"] = chosen;
  theme.set(chosen);
}
