// The form of a new document as the API's request. Pure: what is left out is left to the server's defaults.

export const SIZES = [
  ["", "as the model likes"], ["512x512", "512 × 512"], ["768x768", "768 × 768"], ["1024x1024", "1024 × 1024"],
  ["1024x768", "1024 × 768, wide"], ["768x1024", "768 × 1024, tall"], ["own", "another size…"],
];
/** What a webhook can be told of, the first one unless another is chosen. */
export const EVENTS = [
  ["finished", "the document is finished"], ["plan_awaited", "a plan awaits your word"], ["step_finished", "a step is finished"],
  ["drawn", "a picture is drawn"], ["judged", "a picture is judged"],
];
const LARGEST_SEED = 2 ** 32;

/** A seed of its own, for a document that nobody wants to repeat yet. */
export const newSeed = () => crypto.getRandomValues(new Uint32Array(1))[0] % (LARGEST_SEED / 2);

const number = (text) => (text === null || text === undefined || text === "" ? null : Number(text));

/** The request: `form` is the filled form's FormData, `given` and `pinned` the pictures (views/given.js, session.js). */
export function askOf(form, given, pinned) {
  const ask = { prompt: form.get("prompt").trim(), seed: number(form.get("seed")) ?? newSeed() };
  const put = (name, value) => {
    if (value !== null && value !== undefined && value !== "") ask[name] = value;
  };
  put("max_attempts", number(form.get("max_attempts")));
  put("max_steps", number(form.get("max_steps")));
  put("critic", form.get("critic"));
  put("generator", form.get("generator"));
  put("style", form.get("style")?.trim());
  put("characters", form.get("characters")?.trim());
  put("size", sizeOf(form));
  put("anchor", number(form.get("anchor")));
  put("candidates", number(form.get("candidates")));
  put("budget", numbers(form, ["max_draws", "max_seconds"]));
  put("params", numbers(form, ["num_inference_steps", "guidance_scale"]));
  const url = form.get("webhook")?.trim();
  const events = form.getAll("webhook_events");
  if (url) ask.webhook = events.length ? { url, events } : { url };
  for (const name of ["review_plan", "independent_steps"]) if (form.get(name)) ask[name] = true;
  const images = given.filter((each) => each.role === "images").map((each) => each.url);
  const references = [...given.filter((each) => each.role === "references").map((each) => each.url), ...pinned.map(({ image }) => image.digest)];
  if (images.length) ask.images = images;
  if (references.length) ask.references = references;
  return ask;
}

/** The fields that are filled in; null where none is. */
function numbers(form, names) {
  const given = names.map((name) => [name, number(form.get(name))]).filter(([, value]) => value !== null);
  return given.length ? Object.fromEntries(given) : null;
}

function sizeOf(form) {
  const chosen = form.get("size");
  if (!chosen) return null;
  const [width, height] = chosen === "own" ? [form.get("width"), form.get("height")] : chosen.split("x");
  return width && height ? { width: Number(width), height: Number(height) } : null;
}
