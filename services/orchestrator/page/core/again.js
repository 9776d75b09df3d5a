// A document's request as a call that anybody can make again, in a shell and in Python. Pure text.

/** What was asked for, without what is the default anyway; pictures by their digest. */
export function askedOf(request) {
  const { brief, budget, params, references, ...rest } = request;
  const ask = { prompt: brief.prompt };
  if (brief.images.length) ask.images = brief.images.map((image) => image.digest);
  for (const [name, value] of Object.entries(rest)) if (value !== null && value !== "" && value !== false) ask[name] = value;
  if (references.length) ask.references = references.map((image) => image.digest);
  for (const [name, fields] of [["budget", budget], ["params", params]]) {
    const given = Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
    if (Object.keys(given).length) ask[name] = given;
  }
  return ask;
}

export function curlOf(request, url) {
  const body = JSON.stringify(askedOf(request), null, 1).replaceAll("'", "'\\''");
  return `curl ${url} -H 'Content-Type: application/json' -H 'Prefer: wait=300' -d '${body}'`;
}

export function pythonOf(request, base) {
  const { prompt, ...rest } = askedOf(request);
  const fields = Object.entries(rest).map(([name, value]) => `, ${name}=${python(value)}`);
  return [
    "from interleavethinker.client import Client",
    "",
    `with Client(${python(base.replace(/\/$/, ""))}) as client:`,
    `    run = client.ask(${python(prompt)}${fields.join("")})`,
    "    for recorded in client.follow(run):",
    "        print(recorded.seq, recorded.event.type)",
    "    document = client.document(run)",
  ].join("\n");
}

/** A JSON value as Python writes it. */
function python(value) {
  if (value === null) return "None";
  if (value === true) return "True";
  if (value === false) return "False";
  if (Array.isArray(value)) return `[${value.map(python).join(", ")}]`;
  if (typeof value === "object") return `{${Object.entries(value).map(([name, each]) => `${JSON.stringify(name)}: ${python(each)}`).join(", ")}}`;
  return JSON.stringify(value);
}
