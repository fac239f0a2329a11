/**
 * A field that narrows a list while it is typed. It stands in the address, so that a reload and
 * the way back keep it.
 */
/** @jsx h */
import { h } from "../packages/preact.ts";
import { replacePlace } from "../data/location.ts";
import { hashOf, type Place } from "../view/place.ts";

/** `name` is that of the query's parameter. */
export function FilterBox(
  { place, name, label }: { place: Place; name: string; label: string },
) {
  return (
    <label class="filter">
      <span>{label}</span>
      <input
        type="search"
        autocomplete="off"
        spellcheck={false}
        value={place.query.get(name) ?? ""}
        onInput={(event) => {
          const query = { ...Object.fromEntries(place.query), [name]: event.currentTarget.value };
          replacePlace(hashOf([place.page, ...place.names], query));
        }}
      />
    </label>
  );
}
