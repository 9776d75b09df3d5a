// A document that somebody else shared: the same events and pictures, found by the link's token, to be read only.

import { address, api } from "./api.js";

export function sharedHome(token) {
  const path = `shared/${encodeURIComponent(token)}`;
  return {
    id: token,
    readOnly: true,
    events: `${path}/events`,
    read: () => api.json(path),
    picture: (digest, width) => address(`${path}/images/${digest}${width ? `?width=${width}` : ""}`),
    export: (format) => address(`${path}/export/${format}`),
  };
}
