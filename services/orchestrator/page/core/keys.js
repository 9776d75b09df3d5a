// Keyboard shortcuts. A view says which keys it knows while it is shown; letters are silent while somebody types, and
// can be switched off (some people speak to their computers).

import { useEffect, useRef } from "./ui.js";
import { choice } from "./session.js";

export const SHORTCUTS = [
  ["Everywhere", [["n", "a new document"], ["h", "all documents"], ["d", "light, dark, or as the system has it"], ["?", "this help"], ["Esc", "close"]]],
  ["New document", [["Ctrl Enter", "draw it"]]],
  ["All documents", [["/", "search"]]],
  ["A document", [
    ["j", "next step"], ["k", "previous step"], ["a", "show or hide the step’s attempts"], ["r", "redraw the step"],
    ["e", "edit the step’s text"], ["p", "pin the step’s picture"], ["c", "continue the document"], ["b", "branch from the step"],
    ["s", "share"], ["x", "take it away (export)"], ["t", "where the time went, and back"],
  ]],
];

const typing = (target) => target.closest?.("input, textarea, select, [contenteditable]");

/** `actions`: {key: function}. While the component is mounted; a modal dialog silences those outside of it. */
export function useKeys(actions) {
  const latest = useRef(actions);
  latest.current = actions;
  useEffect(() => {
    const listen = (event) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
      if (document.querySelector("dialog[open]") || choice("letters", "on") === "off") return;
      const action = latest.current[event.key];
      if (!action) return;
      event.preventDefault();
      action();
    };
    document.addEventListener("keydown", listen);
    return () => document.removeEventListener("keydown", listen);
  }, []);
}
