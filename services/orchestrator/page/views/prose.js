// A model's or a reader's text with its emphasis, code, lists and links; every word of it becomes a text node.

import { html, useMemo } from "../core/ui.js";
import { prose } from "../core/markdown.js";

/** The text's blocks. Headings in it are strong words: the page's own headings are its structure. */
export function Prose({ text }) {
  const blocks = useMemo(() => prose(text), [text]);
  return blocks.map(show);
}

function show({ kind, runs, blocks, start }) {
  switch (kind) {
    case "heading":
      return html`<p dir="auto"><strong>${runs.map(Run)}</strong></p>`;
    case "list":
      return start === null ? html`<ul dir="auto">${blocks.map(show)}</ul>` : html`<ol dir="auto" start=${start}>${blocks.map(show)}</ol>`;
    case "item":
      return html`<li>${blocks.map(show)}</li>`;
    case "quote":
      return html`<blockquote dir="auto">${blocks.map(show)}</blockquote>`;
    case "code":
      return html`<pre tabindex="0"><code>${runs[0].text}</code></pre>`;
    case "rule":
      return html`<hr />`;
    default:
      return html`<p dir="auto">${runs.map(Run)}</p>`;
  }
}

function Run({ text, bold, italic, code, href, line }) {
  if (line) return html`<br />`;
  let shown = text;
  if (code) shown = html`<code>${shown}</code>`;
  if (italic) shown = html`<em>${shown}</em>`;
  if (bold) shown = html`<strong>${shown}</strong>`;
  return href ? html`<a href=${href} target="_blank" rel="noopener noreferrer nofollow">${shown}</a>` : shown;
}
