"""A model's text, which may be Markdown, as a small tree that every format can lay out.

Only structure comes through: markup other than Markdown is text, pictures are their alternative text, links that are
not https are their words. Deliberately not here: escaping, which is each format's own.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

from interleavethinker.exports.scripts import Direction, clean, direction_of, language_of

MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table")


@dataclass(frozen=True)
class Run:
    """Words in one style. `line`: they begin a new line."""

    text: str
    bold: bool = False
    italic: bool = False
    code: bool = False
    href: str = ""
    line: bool = False


Kind = Literal["paragraph", "heading", "list", "item", "quote", "code", "table", "rule"]


@dataclass(frozen=True)
class Block:
    """`runs` of a paragraph, heading or code; `blocks` of a list (items), an item or a quote; `rows` of a table.

    `start` is a numbered list's first number, None for bullets. Language and direction are the block's own.
    """

    kind: Kind
    runs: tuple[Run, ...] = ()
    blocks: tuple[Block, ...] = ()
    rows: tuple[tuple[tuple[Run, ...], ...], ...] = ()
    start: int | None = None
    language: str = "en"
    direction: Direction = "ltr"

    @property
    def text(self) -> str:
        """All of its words, lines apart."""
        if self.blocks:
            return "\n".join(block.text for block in self.blocks)
        if self.rows:
            return "\n".join("\t".join(words(cell) for cell in row) for row in self.rows)
        return words(self.runs)


def words(runs: tuple[Run, ...]) -> str:
    return "".join(("\n" if run.line else "") + run.text for run in runs)


def prose(text: str, language: str = "en") -> tuple[Block, ...]:
    """The text's blocks. `language` is for what its script does not decide."""
    root = SyntaxTreeNode(MARKDOWN.parse(clean(text)))
    return tuple(_Reader(language).blocks(root))


@dataclass
class _Reader:
    language: str

    def blocks(self, node: SyntaxTreeNode) -> Iterator[Block]:
        for child in node.children:
            match child.type:
                case "paragraph" | "heading":
                    yield self._of_runs(child.type, self._inline(child))
                case "bullet_list" | "ordered_list":
                    start = int(child.attrs.get("start", 1)) if child.type == "ordered_list" else None
                    yield self._of_blocks("list", child, start)
                case "list_item":
                    yield self._of_blocks("item", child)
                case "blockquote":
                    yield self._of_blocks("quote", child)
                case "fence" | "code_block":
                    yield Block("code", (Run(child.content.rstrip("\n"), code=True),))
                case "table":
                    rows = (row for part in child.children for row in part.children)
                    cells = tuple(tuple(self._inline(cell) for cell in row.children) for row in rows)
                    text = " ".join(words(cell) for row in cells for cell in row)
                    yield Block("table", rows=cells, language=self._says(text), direction=direction_of(text))
                case "hr":
                    yield Block("rule")

    def _of_runs(self, kind: Kind, runs: tuple[Run, ...]) -> Block:
        text = words(runs)
        return Block(kind, runs, language=self._says(text), direction=direction_of(text))

    def _of_blocks(self, kind: Kind, node: SyntaxTreeNode, start: int | None = None) -> Block:
        inner = tuple(self.blocks(node))
        text = "\n".join(block.text for block in inner)
        return Block(kind, blocks=inner, start=start, language=self._says(text), direction=direction_of(text))

    def _says(self, text: str) -> str:
        return language_of(text, self.language)

    def _inline(self, node: SyntaxTreeNode) -> tuple[Run, ...]:
        runs: list[Run] = []
        for child in node.children:
            runs += self._runs(child, Run(""))
        return tuple(runs)

    def _runs(self, node: SyntaxTreeNode, style: Run) -> Iterator[Run]:
        match node.type:
            case "text":
                yield replace(style, text=node.content)
            case "softbreak":
                yield replace(style, text=" ")
            case "hardbreak":
                yield replace(style, line=True)
            case "code_inline":
                yield replace(style, text=node.content, code=True)
            case "image":
                yield replace(style, text=node.content)
            case _:
                if node.type == "strong":
                    style = replace(style, bold=True)
                elif node.type == "em":
                    style = replace(style, italic=True)
                elif node.type == "link" and str(node.attrs.get("href", "")).startswith("https://"):
                    style = replace(style, href=str(node.attrs["href"]))
                for child in node.children:
                    yield from self._runs(child, style)
