// The bar on top: the name, where one can go, and the reader's own switches.

import { html } from "../core/ui.js";
import { to } from "../core/route.js";
import { key } from "../core/session.js";

const THEME = { system: ["◐", "Theme: as the system has it"], light: ["☀", "Theme: light"], dark: ["☾", "Theme: dark"] };

export function Header({ route, theme, turnTheme, openHelp, openKey }) {
  const here = (name) => (route.name === name ? "page" : null);
  const [sign, label] = THEME[theme];
  return html`<header class="top">
    <a class="brand" href=${to.home} aria-label="InterleaveThinker, start page"><img src="page/icon.svg" width="26" height="26" alt="" /><span>InterleaveThinker</span></a>
    <nav aria-label="Main">
      <a href=${to.home} aria-current=${here("home")}>New</a>
      <a href=${to.history()} aria-current=${here("history")}>Documents</a>
    </nav>
    <div class="switches">
      <button type="button" class="icon" onClick=${openKey} aria-label=${key() ? "Your key is set; change it" : "Enter a key"} title="Key">${key() ? "●" : "○"}<span class="word"> Key</span></button>
      <button type="button" class="icon" onClick=${turnTheme} aria-label=${label} title=${label}>${sign}</button>
      <button type="button" class="icon" onClick=${openHelp} aria-label="Help and keyboard shortcuts" title="Help">?</button>
    </div>
  </header>`;
}
