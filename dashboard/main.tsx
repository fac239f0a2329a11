/** The dashboard: starts in the browser. */
/** @jsx h */
import { h, render } from "./packages/preact.ts";
import { App } from "./app.tsx";
import { followAddress } from "./data/location.ts";
import { adoptSessionKey } from "./data/session_key.ts";
import { chooseTheme, theme } from "./data/theme.ts";

adoptSessionKey();
chooseTheme(theme.value);
followAddress();
render(<App />, document.querySelector("#app")!);
