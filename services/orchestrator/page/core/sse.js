// Server-sent events read with fetch, so that a key can be sent: EventSource cannot send headers.
// Left to others: reconnecting (follow.js), and what events mean (fold.js).

/** Yields {id, event, data} for each event of a text/event-stream body; comments are skipped. */
export async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let buffer = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return; // a part without its empty line at the end is no event: it was cut
      buffer += value;
      if (buffer.endsWith("\r")) continue; // its \n may still come
      const parts = buffer.replace(/\r\n?/g, "\n").split("\n\n");
      buffer = parts.pop();
      for (const part of parts) {
        const event = eventOf(part);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // a caller that leaves early closes the connection
  }
}

/** One event's lines as {id, event, data}; null for a comment. */
export function eventOf(text) {
  const event = { id: null, event: "message", data: "" };
  const data = [];
  for (const line of text.split("\n")) {
    if (!line || line.startsWith(":")) continue;
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "data") data.push(value);
    else if (name === "event") event.event = value;
    else if (name === "id") event.id = value;
  }
  if (!data.length) return null;
  event.data = data.join("\n");
  return event;
}
