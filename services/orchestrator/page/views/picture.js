// Pictures of runs. Where a key is needed they are fetched with it, since <img> sends none; shown crisp when small.

import { address, api, bearing } from "../core/api.js";
import { html, useEffect, useState } from "../core/ui.js";

const SMALL = 256; // pixels: below, enlarging with smoothing would only blur
const KEPT = 300;
const WIDTHS = [64, 96, 128, 192, 256, 384, 512];
const fetched = new Map(); // url -> promise of an object URL, the oldest first

async function objectUrl(url) {
  if (!fetched.has(url)) {
    fetched.set(url, api.blob(url).then((blob) => URL.createObjectURL(blob)));
    fetched.get(url).catch(() => fetched.delete(url));
    if (fetched.size > KEPT) {
      const [oldest, promise] = fetched.entries().next().value;
      fetched.delete(oldest);
      promise.then((made) => URL.revokeObjectURL(made), () => {});
    }
  }
  return fetched.get(url);
}

/** What an <img> can show for a picture's address; null while it is being fetched. */
export function useSource(url) {
  const direct = !url || !bearing() || /[?&]signature=/.test(url) || !url.startsWith(address(""));
  const [made, setMade] = useState(null);
  useEffect(() => {
    let wanted = true;
    if (!direct) objectUrl(url).then((source) => wanted && setMade(source), () => {});
    return () => {
      wanted = false;
    };
  }, [url, direct]);
  return direct ? url : made; // the one before it, while a new one comes: nothing flickers
}

/** A picture of a run. `image` as documents name it; `wide`: about how many pixels it is shown wide, for a thumbnail. */
export function Picture({ home, image, alt, wide, className = "", lazy = true }) {
  const width = wide && WIDTHS.find((each) => each >= Math.min(512, wide * devicePixelRatio));
  const source = useSource(home.picture(image.digest, width && width < image.width ? width : null));
  const crisp = Math.max(image.width, image.height) < SMALL ? "crisp" : "";
  return html`<img class=${`${className} ${crisp}`} src=${source ?? EMPTY} alt=${alt} width=${image.width} height=${image.height}
    loading=${lazy ? "lazy" : "eager"} decoding="async" />`;
}

const EMPTY = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";
