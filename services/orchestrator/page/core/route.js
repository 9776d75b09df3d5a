// Where the reader is, in the address after `#`, so that a refresh, a bookmark and a second tab show the same.

/** {name, id, query} of an address: home, history, document, trace or shared. */
export function routeOf(hash) {
  const [path, search = ""] = hash.replace(/^#\/?/, "").split("?");
  const [first, id, third] = path.split("/").map(decodeURIComponent);
  const query = Object.fromEntries(new URLSearchParams(search));
  if (first === "documents" && id) return { name: third === "trace" ? "trace" : "document", id, query };
  if (first === "shared" && id) return { name: "shared", id, query };
  return { name: first === "history" ? "history" : "home", id: null, query };
}

export const to = {
  home: "#/",
  history: (query = "") => `#/history${query ? `?q=${encodeURIComponent(query)}` : ""}`,
  document: (id) => `#/documents/${encodeURIComponent(id)}`,
  trace: (id) => `#/documents/${encodeURIComponent(id)}/trace`,
  shared: (token) => `#/shared/${encodeURIComponent(token)}`,
};

export const go = (hash) => {
  location.hash = hash;
};
