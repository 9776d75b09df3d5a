// What this browser remembers: the key for this tab, looks and habits for this reader, pictures pinned for the next
// document. Nothing of a document is kept here: its events are the server's to keep.

const KEY = "interleavethinker.key";
const PINS = "interleavethinker.pins";
const CHOICE = "interleavethinker.choice.";
const listeners = new Set();

/** Calls `listener` after every change; gives the function that ends it. */
export function onChange(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
const changed = () => listeners.forEach((listener) => listener());

/** The reader's key, or null. It lives as long as the tab. */
export const key = () => sessionStorage.getItem(KEY);

export function setKey(value) {
  if (value) sessionStorage.setItem(KEY, value);
  else sessionStorage.removeItem(KEY);
  changed();
}

/** A choice that outlives the tab: "theme", "letters" (single-letter shortcuts). */
export const choice = (name, otherwise) => localStorage.getItem(CHOICE + name) ?? otherwise;

export function choose(name, value) {
  localStorage.setItem(CHOICE + name, value);
  changed();
}

/** Pictures pinned for the next document: [{run, image}], `image` as documents name it. */
export function pins() {
  return JSON.parse(sessionStorage.getItem(PINS) ?? "[]");
}

export function pin(run, image) {
  setPins([...pins().filter((each) => each.image.digest !== image.digest), { run, image }]);
}

export function unpin(digest) {
  setPins(pins().filter((each) => each.image.digest !== digest));
}

export function setPins(all) {
  sessionStorage.setItem(PINS, JSON.stringify(all));
  changed();
}

/** Shows the chosen theme, "light" or "dark"; "system" leaves it to the browser. */
export function showTheme() {
  const theme = choice("theme", "system");
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}
