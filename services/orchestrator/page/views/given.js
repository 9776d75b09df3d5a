// Pictures that a reader gives: dropped, pasted or chosen, looked at before they are sent.

import { html, useRef, useState } from "../core/ui.js";
import { Picture } from "./picture.js";
import { homeOf, newId } from "../core/api.js";
import { note } from "./say.js";

const TYPES = ["image/png", "image/jpeg", "image/webp"];
const LARGEST = 10_000_000; // bytes; the API's own default
const MOST = 16;

/** Files as pictures to give: [{id, name, url, role}]; says what cannot be taken. */
export async function takeFiles(files, taken) {
  const fit = [];
  for (const file of files) {
    if (!TYPES.includes(file.type)) note(`${file.name} is no PNG, JPEG or WebP picture.`, true);
    else if (file.size > LARGEST) note(`${file.name} is larger than 10 MB: make it smaller.`, true);
    else if (taken.length + fit.length >= MOST) note(`At most ${MOST} pictures can be given.`, true);
    else fit.push({ id: newId(), name: file.name, url: await dataUrl(file), role: "images" });
  }
  return fit;
}

function dataUrl(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result);
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

/** What stands in the clipboard or in a drop as files. */
export const filesOf = (transfer) => [...(transfer?.files ?? [])].filter((file) => file.type.startsWith("image/"));

/** The given pictures, what each is for, and a way to give more. */
export function Given({ given, change, pinned, unpin, add }) {
  const input = useRef(null);
  const set = (id, role) => change(given.map((each) => (each.id === id ? { ...each, role } : each)));
  return html`<div class="given">
    ${given.map((each, place) => html`<figure key=${each.id}>
      <img src=${each.url} alt=${`Given picture ${place + 1}: ${each.name}`} />
      <figcaption>
        <select aria-label=${`What picture ${place + 1} is for`} value=${each.role} onChange=${(event) => set(each.id, event.target.value)}>
          <option value="images">begin with it</option>
          <option value="references">look like it</option>
        </select>
        <button type="button" class="icon small" aria-label=${`Leave picture ${place + 1} out`} onClick=${() => change(given.filter((other) => other.id !== each.id))}>✕</button>
      </figcaption>
    </figure>`)}
    ${pinned.map(({ run, image }) => html`<figure key=${image.digest}>
      <${Picture} home=${homeOf(run)} image=${image} alt="Pinned picture" wide=${96} />
      <figcaption><span>pinned</span><button type="button" class="icon small" aria-label="Unpin this picture" onClick=${() => unpin(image.digest)}>✕</button></figcaption>
    </figure>`)}
    <button type="button" class="plain" onClick=${() => input.current.click()}>Add pictures</button>
    <input ref=${input} class="unseen" type="file" tabindex="-1" aria-hidden="true" accept=${TYPES.join(",")} multiple
      onChange=${(event) => { add([...event.target.files]); event.target.value = ""; }} />
  </div>`;
}

/** Marks an element while files are dragged over it, and gives what is dropped. */
export function useDrop(add) {
  const [over, setOver] = useState(false);
  const carries = (event) => [...event.dataTransfer.types].includes("Files");
  return {
    over,
    onDragOver: (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      setOver(true);
    },
    onDragLeave: (event) => !event.currentTarget.contains(event.relatedTarget) && setOver(false),
    onDrop: (event) => {
      if (!carries(event)) return;
      event.preventDefault();
      setOver(false);
      add([...event.dataTransfer.files]);
    },
  };
}
