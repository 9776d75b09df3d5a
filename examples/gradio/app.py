"""A Gradio Space over a running orchestrator: ask for a document, watch it grow with every attempt, take it away."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
from page import Page

from interleavethinker.client import Client
from interleavethinker.document import fold
from interleavethinker.errors import InterleaveError

EXAMPLES = [
    "How do I draw a snowman with a red hat, step by step?",
    "Tell a story in four pictures: a blue boat finds an island.",
]
Shown = tuple[str, str, dict[str, object]]
"""The page's HTML, the run's id, and what becomes of the download button."""


def make(prompt: str, attempts: int, critic: str, seed: int) -> Iterator[Shown]:
    """Have a document made; the page anew after each event."""
    hidden = gr.update(visible=False)
    if not prompt.strip():
        raise gr.Error("Say what the document is to show.")
    try:
        with Client() as client:
            run_id = client.ask(prompt, max_attempts=int(attempts), critic=critic, seed=int(seed))
            page, past = Page(lambda digest: client.image(run_id, digest)), []
            for recorded in client.follow(run_id):
                past.append(recorded)
                yield page.html(fold(past)), run_id, hidden
            yield page.html(fold(past)), run_id, gr.update(visible=True, value=packed(client, run_id))
    except InterleaveError as error:
        raise gr.Error(error.detail) from error


def cancel(run_id: str) -> None:
    """End the run; what it has finished stays on the page."""
    if run_id:
        with Client() as client:
            client.cancel(run_id)


def packed(client: Client, run_id: str) -> str:
    """The document as a ZIP of its page, Markdown and pictures; the path."""
    home = Path(tempfile.mkdtemp(prefix="interleavethinker-"))
    client.run(run_id).document().save(home / run_id)
    return shutil.make_archive(str(home / "document"), "zip", home / run_id)


def space() -> gr.Blocks:
    with gr.Blocks(title="InterleaveThinker") as blocks:
        gr.Markdown("# InterleaveThinker\nIllustrated documents: planned, drawn, judged, redrawn until right.")
        prompt = gr.Textbox(label="What should it show?", lines=2, value=EXAMPLES[0], autofocus=True)
        with gr.Accordion("How", open=False), gr.Row():
            attempts = gr.Slider(1, 10, value=5, step=1, label="Drawings a step, at most")
            critic = gr.Radio(["quick", "strict", "off"], value="quick", label="Critic")
            seed = gr.Number(value=0, precision=0, minimum=0, label="Seed")
        with gr.Row():
            start = gr.Button("Make it", variant="primary")
            stop = gr.Button("Stop")
            download = gr.DownloadButton("Download", visible=False)
        gr.Examples(EXAMPLES, prompt)
        shown = gr.HTML(label="The document")
        run_id = gr.State("")
        asked = [prompt, attempts, critic, seed]
        for begun in (start.click, prompt.submit):
            begun(make, asked, [shown, run_id, download], concurrency_limit=8, api_name="make")
        stop.click(cancel, run_id, None, api_name=False)
    return blocks


if __name__ == "__main__":
    space().launch()
