"""The model card: written from the folder alone, honest about what nobody looked at, harmless whatever names say."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from pennyweight.core.errors import RunError
from pennyweight.core.run import ENVIRONMENT, Run
from pennyweight.core.text import visible
from pennyweight.data.images import LabelledImages
from pennyweight.fit.card import CARD, escaped, write_card
from pennyweight.fit.evaluate import evaluate
from pennyweight.fit.recipe import Recipe
from pennyweight.fit.train import Training, train
from pennyweight.net.cost import cost
from pennyweight.net.graph import Graph

RECIPE = Recipe(epochs=3, optimizer="muon", rotate=4.0, validation=0.2)

pytestmark = pytest.mark.usefixtures("hasty_clock")

HOSTILE = (
    "<script>alert(1)</script>",
    "# heading | cell",
    "[click](javascript:alert(1))",
    "![x](http://evil.example/x.png)",
    "`code` ``` *em* __strong__ ~~gone~~ &lt; &amp;",
    "https://evil.example www.evil.example",
    "\\<b>\n\n<b>",
    "\x1b[31m\u202egnp.exe",
    "ا" * 200,
    "<!-- comment",
)


@pytest.fixture
def done(tmp_path: Path, digits: LabelledImages, mlp: Graph) -> Training:
    return train(digits, mlp, recipe=RECIPE, out=tmp_path / "run", device="cpu")


def tokens(page: str) -> list[Token]:
    """Everything in a page, blocks and what stands within them."""
    blocks = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(page)
    return [each for block in blocks for each in (block, *(block.children or ()))]


def test_an_ended_training_has_a_card_that_says_what_its_result_says(done: Training, mlp: Graph) -> None:
    page = (done.run / CARD).read_text()
    assert done.validation is not None
    low, high = done.validation.interval
    for told in (
        f"{100 * done.validation.share:.2f} %",
        f"{100 * low:.2f} … {100 * high:.2f} %",
        f"| {done.validation.n:,} |",
        f"{done.parameters:,} parameters",
        f"{cost(mlp, bits=32).weight_bytes:,} bytes |",
        f"{cost(mlp).flash_bytes:,} bytes (estimated)",
        str(Run.open(done.run).read("settings.json")["fingerprint"]),
        "3 epochs",
        "`rotate` 4.0",
        "The sealed test part was never opened.",
        "The test part is still sealed.",
        "Pictures from elsewhere were not tried",
        "The time that a picture takes was not measured.",
        "images from Python",
    ):
        assert told in page, told


def test_a_look_changes_what_the_card_says(done: Training, digits: LabelledImages) -> None:
    for _ in range(2):
        looked = evaluate(done.run, digits, device="cpu")
    page = write_card(Run.open(done.run)).read_text()
    assert f"| test | {100 * looked.accuracy.share:.2f} % |" in page
    assert "opened 2 times" in page
    assert "opened more than once" in page
    assert "still sealed" not in page
    assert "was not measured." not in page
    weakest = min(looked.per_class, key=lambda each: 2.0 if each.recall is None else each.recall)
    assert f"it does worst on {weakest.name}: " in page
    evaluate(done.run, replace(digits, name="my <photos>", sealed=digits.learning), part="all", device="cpu")
    page = write_card(Run.open(done.run)).read_text()
    assert "| my &lt;photos&gt; | " in page
    assert "Pictures from elsewhere" not in page


def test_an_opened_test_part_without_a_result_is_told(done: Training) -> None:
    Run.open(done.run).count_opening()
    assert "what came out is not kept" in write_card(Run.open(done.run)).read_text()


def test_a_run_without_validation_says_that_nothing_is_known(
    tmp_path: Path, digits: LabelledImages, mlp: Graph
) -> None:
    recipe = replace(RECIPE, validation=0.0)
    page = (train(digits, mlp, recipe=recipe, out=tmp_path / "run", device="cpu").run / CARD).read_text()
    assert "nothing says how good the network is" in page


@given(text=st.text(st.characters(codec="utf-8")) | st.sampled_from(HOSTILE) | st.text("\\`*_{}[]()#+-.!|~<>&@:/wx "))
def test_escaped_text_is_read_as_the_text_it_was(text: str) -> None:
    _, inline, _ = MarkdownIt("commonmark").enable("strikethrough").parse(f"x{escaped(text or 'x')}x")
    assert "".join(child.content for child in inline.children or ()) == f"x{visible(text or 'x')}x"
    assert {child.type for child in inline.children or ()} <= {"text", "text_special"}


def test_names_bring_no_markup_into_the_card(tmp_path: Path, digits: LabelledImages, mlp: Graph) -> None:
    plain = train(digits, mlp, recipe=RECIPE, out=tmp_path / "plain", device="cpu").run
    hostile = train(
        replace(digits, class_names=HOSTILE, name=HOSTILE[0]), mlp, recipe=RECIPE, out=tmp_path / "`a`", device="cpu"
    ).run
    others = replace(digits, class_names=HOSTILE, name=HOSTILE[2], sealed=digits.learning)
    for run, images in ((plain, replace(digits, name="other", sealed=digits.learning)), (hostile, others)):
        evaluate(run, images, part="all", device="cpu")
        evaluate(run, replace(images, sealed=digits.sealed), device="cpu")
    pages = [write_card(Run.open(run)).read_text() for run in (plain, hostile)]
    kinds = [{each.type for each in tokens(page)} for page in pages]
    assert kinds[1] - {"text_special"} == kinds[0] - {"text_special"}
    assert not kinds[1] & {"html_block", "html_inline", "link_open", "image", "s_open", "em_open", "strong_open"}
    headings = [[each.tag for each in tokens(page) if each.type == "heading_open"] for page in pages]
    assert headings[0] == headings[1]
    assert all(character.isprintable() or character == "\n" for character in pages[1])


def test_a_malformed_evaluation_is_left_out_and_the_card_says_so(done: Training, digits: LabelledImages) -> None:
    looked = evaluate(done.run, digits, part="train", device="cpu")
    for content in ({}, {"accuracy": 2, "n": "x"}, {"correct": 5, "n": 10, "per_class": 3}):
        (done.run / "evaluations" / "zz.json").write_text(json.dumps(content))
        page = write_card(Run.open(done.run)).read_text()
        assert "Left out of this card: " in page
        assert "zz.json is malformed" in page
        assert f"| train | {100 * looked.accuracy.share:.2f} % |" in page


def test_malformed_files_and_a_full_disk_are_run_errors_and_the_old_card_stays(
    done: Training, full_disk: Callable[[int], AbstractContextManager[None]]
) -> None:
    before = (done.run / CARD).read_bytes()
    with full_disk(100), pytest.raises(RunError, match="cannot be written"):
        write_card(Run.open(done.run))
    (done.run / ENVIRONMENT).unlink()
    with pytest.raises(RunError, match=r"environment\.json is missing"):
        write_card(Run.open(done.run))
    assert (done.run / CARD).read_bytes() == before
