// A document that somebody shared: found by its link's token, which stands in place of a key while it is read.

import { api, homeOf, readAs } from "./api.js";

/** Where the shared document lives, to be read only. Fails with a Problem where the link opens nothing (any more). */
export async function sharedHome(token) {
  readAs(token);
  const { id } = await api.json("share");
  return homeOf(id, true);
}
