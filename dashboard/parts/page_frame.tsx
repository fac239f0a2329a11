/**
 * What surrounds every page: the name, the ways to the pages, what is wrong with the connection,
 * and what was done.
 */
/** @jsx h */
/** @jsxFrag Fragment */
import { type ComponentChildren, Fragment, h } from "../packages/preact.ts";
import type { StatusReply } from "../../core/protocol/status.ts";
import { useLive } from "../data/live.ts";
import { currentPlace } from "../data/location.ts";
import { closeNotice, notices } from "../data/notices.ts";
import { reach } from "../data/reach.ts";
import { useSession } from "../data/session.ts";
import { useSignal } from "../data/signal.ts";
import { chooseTheme, type Theme, theme } from "../data/theme.ts";
import { escapeText } from "../view/format.ts";
import { healthBadge } from "../view/overview.ts";
import { hashOf } from "../view/place.ts";
import { Badge } from "./badge.tsx";
import { Banner } from "./banner.tsx";
import { Choice } from "./choice.tsx";

const PAGES: readonly (readonly [page: string, title: string])[] = [
  ["", "Overview"],
  ["topics", "Topics"],
  ["subscriptions", "Subscriptions"],
  ["dead-letters", "Dead letters"],
  ["schemas", "Schemas"],
  ["health", "Health"],
  ["logs", "Logs"],
  ["audit", "Audit"],
];

/** Around the page. */
export function PageFrame({ children }: { children: ComponentChildren }) {
  const { state } = useSignal(reach);
  return (
    <>
      {/* A link to #main would be taken for a page. */}
      <button type="button" class="skip" onClick={() => document.querySelector("main")?.focus()}>
        Skip to the content
      </button>
      <Header />
      <Navigation />
      <div class="body">
        <Banner />
        <main id="main" tabIndex={-1} class={state === "here" ? "" : "stale"}>{children}</main>
      </div>
      <Notices />
    </>
  );
}

function Header() {
  const { data } = useLive<StatusReply>("/v1/status");
  const { readOnly, about } = useSession();
  const badge = data && healthBadge(data);
  return (
    <header class="top">
      <a class="brand" href="#/">
        <img src="/icon.svg" alt="" width="20" height="20" />
        <span>evs</span>
      </a>
      {badge === undefined
        ? null
        : (
          <a class="health-link" href="#/health" aria-label={`Health: ${badge.text}`}>
            <Badge tone={badge.tone}>{badge.text}</Badge>
          </a>
        )}
      {about?.readOnly && readOnly ? <Badge tone="plain">read-only</Badge> : null}
      <span class="where quiet" title={about?.socket}>{escapeText(about?.dataDir ?? "")}</span>
      <ThemeChoice />
    </header>
  );
}

const THEMES = [["auto", "System"], ["light", "Light"], ["dark", "Dark"]] as const;

function ThemeChoice() {
  const chosen = useSignal(theme);
  return (
    <div class="theme">
      <Choice
        label="Theme"
        value={chosen}
        options={THEMES}
        onValue={(value) => chooseTheme(value as Theme)}
      />
    </div>
  );
}

function Navigation() {
  const { page } = useSignal(currentPlace);
  return (
    <nav class="side" aria-label="Pages">
      <ul>
        {PAGES.map(([name, title]) => (
          <li key={name}>
            <a
              href={hashOf(name === "" ? [] : [name])}
              aria-current={page === name ? "page" : undefined}
            >
              {title}
            </a>
          </li>
        ))}
      </ul>
    </nav>
  );
}

function Notices() {
  const shown = useSignal(notices);
  return (
    <div class="notices" role="status" aria-live="polite">
      {shown.map(({ id, text, tone, action }) => (
        <div key={id} class={`notice ${tone}`}>
          <span>{escapeText(text)}</span>
          {action === undefined ? null : (
            <button
              type="button"
              class="small"
              onClick={() => {
                closeNotice(id);
                action.run();
              }}
            >
              {action.label}
            </button>
          )}
          <button
            type="button"
            class="plain"
            aria-label={`Close: ${text}`}
            onClick={() => closeNotice(id)}
          >
            ✕
          </button>
        </div>
      ))}
    </div>
  );
}
