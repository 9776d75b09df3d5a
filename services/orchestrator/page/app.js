// The page: what is at which address, what stands around it, and the dialogs that any view may open.

import { Fragment, html, render, useEffect, useState } from "./core/ui.js";
import { go, routeOf, to } from "./core/route.js";
import { choice, choose, onChange, showTheme } from "./core/session.js";
import { useKeys } from "./core/keys.js";
import { Announcer } from "./views/say.js";
import { Header } from "./views/header.js";
import { Home } from "./views/home.js";
import { History } from "./views/history.js";
import { DocumentPage } from "./views/document.js";
import { Help, KeyDialog, useKeyWanted } from "./views/dialogs.js";

const THEMES = ["system", "light", "dark"];

function App() {
  const [route, setRoute] = useState(routeOf(location.hash));
  const [, again] = useState(0);
  const [open, setOpen] = useState(null);
  useKeyWanted(() => setOpen("key"));
  useEffect(() => onChange(() => again((count) => count + 1)), []);
  useEffect(() => {
    const arrive = () => {
      setRoute(routeOf(location.hash));
      scrollTo(0, 0);
    };
    addEventListener("hashchange", arrive);
    return () => removeEventListener("hashchange", arrive);
  }, []);
  const theme = choice("theme", "system");
  const turnTheme = () => {
    const now = choice("theme", "system"); // of this moment: two quick turns are two
    choose("theme", THEMES[(THEMES.indexOf(now) + 1) % THEMES.length]);
    showTheme();
  };
  useKeys({
    n: () => go(to.home),
    h: () => go(to.history()),
    d: turnTheme,
    "?": () => setOpen("help"),
  });
  return html`<${Fragment}>
    <a class="skip" href="#main" onClick=${skip}>To the content</a>
    <${Header} route=${route} theme=${theme} turnTheme=${turnTheme} openHelp=${() => setOpen("help")} openKey=${() => setOpen("key")} />
    <main id="main" tabindex="-1"><${View} route=${route} /></main>
    ${open === "help" && html`<${Help} close=${() => setOpen(null)} />`}
    ${open === "key" && html`<${KeyDialog} close=${() => setOpen(null)} />`}
    <${Announcer} />
  <//>`;
}

function skip(event) {
  event.preventDefault(); // the address is the router's
  document.getElementById("main").focus();
}

function View({ route }) {
  if (route.name === "history") return html`<${History} query=${route.query.q ?? ""} />`;
  if (route.name === "home") return html`<${Home} />`;
  return html`<${DocumentPage} key=${route.name + route.id} route=${route} />`;
}

render(html`<${App} />`, document.getElementById("app"));
