/** Where in the dashboard the browser is: the fragment of its address. */
import { parsePlace, type Place } from "../view/place.ts";
import { Signal } from "./signal.ts";

/** What is to be shown. */
export const currentPlace: Signal<Place> = new Signal<Place>(parsePlace(""));

/** Follows the address from now on. */
export function followAddress(): void {
  const read = () => currentPlace.set(parsePlace(location.hash));
  addEventListener("hashchange", read);
  read();
}

/** Changes the address without a new entry in the history: a filter that is being typed. */
export function replacePlace(hash: string): void {
  history.replaceState(null, "", hash);
  currentPlace.set(parsePlace(hash));
}
