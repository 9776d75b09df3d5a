"""The trials at real size run whole on a CPU with tiny models, and say in one line that there is no GPU."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from bench import gpu_generator, gpu_vlm
from bench.gpu import roof


def test_the_generators_trial(tmp_path: Path):
    out = tmp_path / "gpu.json"
    sizes = ["--side", "64", "96", "--references", "0", "2", "--batch", "1", "2", "--repeats", "1"]
    gpu_generator.main(["--tiny", "--way", "eager", *sizes, "--out", str(out)])
    rows = json.loads(out.read_text())["generator tiny"]["rows"]
    assert len(rows) == 8
    by = {(row["side"], row["references"], row["batch"]): row["tflop"] for row in rows}
    assert by[96, 0, 1] > by[64, 0, 1]
    assert by[64, 2, 1] > by[64, 0, 1]
    assert all(row["ms"] > 0 and row["share_of_roof"] is None for row in rows)


def test_the_critics_trial(tmp_path: Path):
    out = tmp_path / "gpu.json"
    out.write_text('{"generator 4b": {"card": "kept"}}')
    gpu_vlm.main(["--tiny", "--side", "64", "--words", "8", "--tokens", "3", "--repeats", "1", "--out", str(out)])
    whole = json.loads(out.read_text())
    assert whole["generator 4b"] == {"card": "kept"}
    assert [row["phase"] for row in whole["vlm tiny"]["rows"]] == ["prefill", "decode, a token"]
    assert whole["vlm tiny"]["rows"][0]["tokens"] == 2 * (4 + 2) + 8


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is one here")
@pytest.mark.parametrize("main", [gpu_generator.main, gpu_vlm.main])
def test_without_a_gpu_one_line_says_so(main, tmp_path: Path):
    with pytest.raises(SystemExit, match="torch sees no CUDA device"):
        main(["--out", str(tmp_path / "gpu.json")])
    assert not (tmp_path / "gpu.json").exists()


def test_the_full_sizes_are_the_published_ones():
    for name, billions in (("4b", 3.9), ("9b", 9.1)):
        shape = gpu_generator.SHAPES[name]
        pipeline = gpu_generator.build(shape, torch.device("meta"))
        assert sum(each.numel() for each in pipeline.transformer.parameters()) / 1e9 == pytest.approx(billions, abs=0.3)


def test_a_card_that_is_not_known_has_no_roof():
    assert roof("NVIDIA H100 80GB HBM3", fp8=True) == 1979.0
    assert roof("cpu", fp8=False) is None
