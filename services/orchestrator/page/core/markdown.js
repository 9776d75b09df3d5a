// A model's text, which may be Markdown, as a small tree that a view can lay out; the same structure as in the exports
// (interleavethinker/exports/prose.py). Pure: markup other than Markdown is text, a picture is its alternative text, a
// link that is neither http nor https is its words. Left to views/prose.js: the elements.

import { lexer } from "../vendor/marked.js";

const LONGEST = 20_000; // characters: beyond, it is no instruction, and is shown as it was written
const DEEPEST = 12; // lists in lists and quotes in quotes; beyond, as it was written
const RUNS = /^\s*(javascript|vbscript|file|data):/i; // shown as written: a reader may see what was tried
const NAMED = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'", nbsp: "\u00a0" };

/** [{kind, runs | blocks, start}]: paragraph, heading and code have runs [{text, bold, italic, code, href, line}], list,
 * item and quote have blocks; `start` is a numbered list's first number. */
export function prose(text) {
  if (text.length > LONGEST || /^(?:[ \t]*(?:>|[-*+]|\d+[.)])[ \t]*){12}/m.test(text)) return [plain(text)];
  return blocksOf(lexer(text, { gfm: false }), 0);
}

const plain = (text) => ({ kind: "paragraph", runs: [{ text }] });

function blocksOf(tokens, depth) {
  return tokens.flatMap((token) => blockOf(token, depth)).filter(Boolean);
}

function blockOf(token, depth) {
  if (depth > DEEPEST) return plain(token.raw);
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "paragraph":
    case "heading":
      return { kind: token.type, runs: runsOf(token.tokens) };
    case "text": // of an item without empty lines
      return { kind: "paragraph", runs: token.tokens ? runsOf(token.tokens) : [{ text: decoded(token.text) }] };
    case "list":
      return { kind: "list", start: token.ordered ? Number(token.start) : null, blocks: token.items.map((item) => ({ kind: "item", blocks: blocksOf(item.tokens, depth + 1) })) };
    case "blockquote":
      return { kind: "quote", blocks: blocksOf(token.tokens, depth + 1) };
    case "code":
      return { kind: "code", runs: [{ text: token.text.replace(/\n+$/, ""), code: true }] };
    case "hr":
      return { kind: "rule", runs: [] };
    default: // markup, or what a newer parser names: as it was written
      return plain(token.raw.trim());
  }
}

function runsOf(tokens, style = {}) {
  return joined(tokens.flatMap((token) => runOf(token, style)));
}

function runOf(token, style) {
  switch (token.type) {
    case "strong":
      return runsOf(token.tokens, { ...style, bold: true });
    case "em":
      return runsOf(token.tokens, { ...style, italic: true });
    case "codespan":
      return [{ ...style, text: token.text, code: true }];
    case "br":
      return [{ ...style, text: "", line: true }];
    case "link":
      if (RUNS.test(decoded(token.href))) return [{ ...style, text: token.raw }];
      return runsOf(token.tokens, isWeb(decoded(token.href)) ? { ...style, href: decoded(token.href) } : style);
    case "image":
      return [{ ...style, text: decoded(token.text) }];
    case "html":
      return [{ ...style, text: token.raw }];
    default:
      return token.tokens ? runsOf(token.tokens, style) : [{ ...style, text: token.type === "escape" ? token.text : decoded(token.text ?? token.raw) }];
  }
}

const isWeb = (href) => /^https?:\/\/[^\s/]/i.test(href) && URL.canParse(href);

function decoded(text) {
  return text.replace(/&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w+));/gi, (whole, decimal, hex, name) => {
    if (name) return NAMED[name] ?? whole;
    const code = decimal ? Number(decimal) : parseInt(hex, 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd";
  });
}

/** Neighbours of one style as one run. */
function joined(runs) {
  const all = [];
  for (const run of runs) {
    const last = all.at(-1);
    const alike = last && !run.line && !last.line && ["bold", "italic", "code", "href"].every((name) => last[name] === run[name]);
    if (alike) all[all.length - 1] = { ...last, text: last.text + run.text };
    else all.push(run);
  }
  return all;
}
