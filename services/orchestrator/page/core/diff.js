// What changed between two texts, word by word: the longest words that both have in order, and what stands between.

/** [{kind: "same" | "added" | "removed", text}] in reading order; what was taken out stands where it stood. */
export function changes(before, after) {
  const old = words(before);
  const now = words(after);
  const common = commonTable(old, now);
  const pieces = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < now.length) {
    if (i < old.length && j < now.length && old[i] === now[j]) push(pieces, "same", now[j++], i++);
    else if (i < old.length && (j === now.length || common[i + 1][j] >= common[i][j + 1])) push(pieces, "removed", old[i++]);
    else push(pieces, "added", now[j++]);
  }
  return pieces.map(({ kind, words }) => ({ kind, text: words.join(" ") }));
}

const MOST = 600; // words: beyond it the table would be large, and a whole new text is no change to be read
const words = (text) => {
  const all = text.split(/\s+/).filter(Boolean);
  return all.length > MOST ? [all.join(" ")] : all;
};

/** common[i][j]: how many words old[i..] and now[j..] have in common, in order. */
function commonTable(old, now) {
  const table = Array.from({ length: old.length + 1 }, () => new Uint16Array(now.length + 1));
  for (let i = old.length - 1; i >= 0; i--)
    for (let j = now.length - 1; j >= 0; j--)
      table[i][j] = old[i] === now[j] ? table[i + 1][j + 1] + 1 : Math.max(table[i + 1][j], table[i][j + 1]);
  return table;
}

function push(pieces, kind, word) {
  const last = pieces.at(-1);
  if (last?.kind === kind) last.words.push(word);
  else pieces.push({ kind, words: [word] });
}
