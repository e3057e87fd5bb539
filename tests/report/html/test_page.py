"""What stands in the HTML report, as far as it can be told without a browser."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from pennyweight.__main__ import main
from pennyweight.core.errors import RunError
from pennyweight.core.files import write_json
from pennyweight.core.run import Run
from pennyweight.data.decode import encode_png
from pennyweight.fit.diagnose import diagnose
from pennyweight.fit.evaluate import evaluate
from pennyweight.fit.loop import Progress
from pennyweight.fit.recipe import Recipe
from pennyweight.fit.train import train
from pennyweight.report.html.page import write_report

if TYPE_CHECKING:
    from tests.report.html.conftest import Folders

MEGABYTE = 1_000_000


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text that a reader sees."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._in_script = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._in_script = tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._in_script = False

    def handle_data(self, data: str) -> None:
        if not self._in_script:
            self.text += data.replace("\N{NO-BREAK SPACE}", " ")


def told(*paths: Path) -> str:
    """What a reader of the report sees as text."""
    return Elements(write_report(list(paths)).read_text(encoding="utf-8")).text


def test_a_run_that_was_evaluated_shows_all_its_parts(folders: Folders) -> None:
    run = folders.run()
    folders.evaluate(run)
    text = told(run)
    for part in ("Summary", "The training", "The answers", "The price", "The data", "How it was made"):
        assert part in text
    assert "97.56 %" in text
    assert "90.00 %" in text
    assert "0 is taken for 1 most often: 1 of 10" in text
    assert "Expected calibration error: 3.10 points" in text
    assert "Healthy" in text
    assert "pennyweight train digits pooled-resnet:width=4 --set epochs=8" in text


def test_a_run_on_a_board_shows_what_int8_costs_and_where_its_bytes_lie(folders: Folders) -> None:
    run = folders.run()
    assert "On a board" not in told(run)
    folders.deploy(run)
    folders.deploy(run, board="pico", latency_ms=None, latency_error=None, agrees=False)
    text = told(run)
    for part in (
        "On a board",
        "In int8 it answers 97.49 % of the test part rightly, in float32 97.77 %",
        "1 image only float32 got right, 0 only int8",
        "after 2 epochs of fine-tuning",
        "On pico the firmware's answers DIFFER from the integer reference: do not ship it.",
        "On microbit-v1 it takes 4.89 KiB of 256 KiB flash and 1 KiB of 16 KiB RAM",
        "conv1 takes 78 % of the instructions on microbit-v1",
        "≈ 12.5 ms ± 30 %",
    ):
        assert part in text, part


def test_a_quantised_run_that_was_not_emulated_says_how(folders: Folders) -> None:
    run = folders.run()
    folders.deploy(run)
    (run / "integer" / "emulated-microbit-v1.json").unlink()
    assert f"pennyweight emulate {run} --board BOARD" in told(run)


def test_a_search_shows_its_front_and_its_winner_wherever_it_was_moved_to(folders: Folders) -> None:
    text = told(folders.search())
    assert "What was possible" in text
    assert "In the end 15 of 44 drawn networks fit. 4 networks tried in 6 trainings, 1m54s" in text
    assert "pooled-resnet:width=16 reaches 88.50 %" in text
    assert "WCH CH32V003" in text
    assert "5 trainings of up to 8 epochs; 1 stopped before the end" in text
    assert "Over 3 seeds" in text
    assert "87.10 % ± 1.23" in text


def changed(search: Path, **changes: Any) -> Path:
    """The search with some of its facts changed."""
    path = search / "search.json"
    write_json(path, json.loads(path.read_bytes()) | changes)
    return search


def test_of_two_seeds_the_figures_are_told_and_no_deviation(folders: Folders) -> None:
    two = {"over_seeds": {"mean": 0.87, "deviation": 0.0, "seeds": 2}, "of_each_seed": [0.871, 0.869]}
    text = told(changed(folders.search(), **two))
    assert "With 2 seeds" in text
    assert "87.10 %, 86.90 %" in text
    assert "±" not in text


def test_how_much_the_choice_flatters_the_winner_is_told(folders: Folders) -> None:
    text = told(changed(folders.search(), optimism=0.0042, rivals=4))
    assert "Optimism of the choice" in text
    assert "≈ 0.42 points" in text
    assert "for the best of 4 networks on it" in text


def test_how_far_the_end_of_a_training_is_foretold_wrongly_is_told_with_the_courses(folders: Folders) -> None:
    page = write_report([changed(folders.search(), extrapolation_error=0.061)]).read_text(encoding="utf-8")
    assert "told at its half by what others gained, was off by 6.1 points" in page


def test_what_was_chosen_besides_stands_where_a_reader_sees_it_and_no_column_is_empty(folders: Folders) -> None:
    page = write_report([folders.search()]).read_text(encoding="utf-8")
    heads = re.findall(r"<th scope=.*?<button type=\"button\">(.*?)</button>", page)
    table = heads[heads.index("★") : heads.index("ended") + 1]
    assert table[1:5] == ["network", "validation, %", "test, %", "chosen besides"]
    assert "latency" not in table


def test_a_search_of_one_network_is_told_in_the_singular(folders: Folders) -> None:
    search = changed(folders.search(trials=1), unfinished=[], considered=1, feasible=1, optimism=0.0, rivals=1)
    text = told(search)
    assert "In the end 1 of 1 drawn network fits. 1 network tried in 1 training" in text
    assert "Optimism" not in text


def test_a_test_figure_from_before_the_search_went_on_is_told_with_when(folders: Folders) -> None:
    search = folders.search()
    entries = json.loads((search / "search.json").read_bytes())["trials"]
    entries[-1] |= {"test_accuracy": 0.85, "n": 360, "test_opened_before": "2026-11-22T02:32:32+00:00"}
    assert "opened 2026-11-22 02:32 UTC, before the search went on" in told(changed(search, trials=entries))


def test_what_did_not_end_stands_in_the_table_of_a_search_with_its_reason(folders: Folders) -> None:
    text = told(folders.search())
    assert "2 trainings ended early" in text
    assert "stopped: it could not reach the front any more" in text
    assert "failed: the loss became nan" in text


def test_a_search_of_few_networks_says_that_they_are_too_few_to_tell_what_mattered(folders: Folders) -> None:
    text = told(folders.search())
    assert "What mattered" in text
    assert "is told from 20 networks on; these are 4" in text
    assert "Dropout alone" not in text


def test_the_front_is_drawn_against_the_traded_costs_first_with_the_test_part_beside(folders: Folders) -> None:
    search = folders.search()
    path = search / "search.json"
    facts = json.loads(path.read_bytes())
    facts["trade"] = ["ram_bytes"]
    facts["trials"][-1] |= {"test_accuracy": 0.85, "n": 360}
    write_json(path, facts)
    page = write_report([search]).read_text(encoding="utf-8")
    drawings = json.loads(re.findall(r'id="figures">(.*?)</script>', page, flags=re.DOTALL)[0])
    planes = [name for name in drawings if name.startswith("p0-front/")]
    assert planes == [f"p0-front/{word}" for word in ("RAM", "MACs", "flash", "parameters")]
    for plane in planes:
        test = next(trace for trace in drawings[plane]["data"] if trace["name"] == "test")
        assert test["y"] == [85.0]
        assert test["error_y"]["array"][0] > 0


def test_a_hostile_choice_and_reason_stay_text(folders: Folders) -> None:
    search = folders.search()
    path = search / "search.json"
    facts = json.loads(path.read_bytes())
    for place, entry in enumerate(facts["trials"] + facts["unfinished"]):
        hostile = folders.hostile[place % len(folders.hostile)]
        entry |= {"network": hostile, "why": hostile, "purpose": hostile}
        entry["choice"] = {"network": hostile, hostile: hostile, "recipe.x": hostile}
    write_json(path, facts)
    page = write_report([search]).read_text(encoding="utf-8")
    found = Elements(page).found
    assert [tag for tag, _ in found].count("script") == 3
    assert not [tag for tag, attributes in found if any(name.startswith("on") for name in attributes)]
    assert "\x1b" not in page
    assert "\u202e" not in page


def test_what_is_called_ram_is_what_a_budget_limits(folders: Folders) -> None:
    search = folders.search(trials=1)
    (entry,) = json.loads((search / "search.json").read_bytes())["trials"]
    assert entry["ram_bytes"] != entry["peak_ram_bytes"]
    page = write_report([search]).read_text(encoding="utf-8")
    drawings = json.loads(re.findall(r'id="figures">(.*?)</script>', page, flags=re.DOTALL)[0])
    (drawn,) = (value for name, value in drawings.items() if name.endswith("-front/RAM"))
    assert drawn["data"][0]["x"] == [entry["ram_bytes"] / 1024]
    row = next(row for row in re.findall(r"<tr.*?</tr>", page, flags=re.DOTALL) if ">trial-01<" in row)
    assert f">{entry['ram_bytes'] / 1024:,.2f}<" in row
    assert f">{entry['peak_ram_bytes'] / 1024:,.2f}<" not in row


def test_several_folders_stand_side_by_side(folders: Folders) -> None:
    text = told(folders.run("one"), folders.run("elsewhere/one", "mlp"), folders.search())
    assert "3 results side by side" in text
    for row in ("one", "elsewhere/one", "search/trial-04"):
        assert str(folders.root / row) in text


def test_many_runs_are_told_apart_by_what_is_their_own(folders: Folders) -> None:
    usual = {"epochs": 8, "batch": 64, "optimizer": "muon", "seed": 0}
    runs = [folders.run(f"usual-{place}", f"mlp:hidden={8 * place}", settings={"recipe": usual}) for place in (1, 2, 3)]
    runs.append(folders.run("other", "mlp:hidden=8", settings={"recipe": usual | {"optimizer": "adamw"}}))
    page = write_report(runs).read_text(encoding="utf-8")
    text = Elements(page).text
    assert "Trained with epochs=8, batch=64, optimizer=muon, where the table says nothing else." in text
    assert "mlp:hidden=8, optimizer=adamw" in text
    drawings = json.loads(re.findall(r'id="figures">(.*?)</script>', page, flags=re.DOTALL)[0])
    lines = drawings["beside-curves/validation loss"]["data"]
    assert [line["name"] for line in lines][::3] == ["mlp:hidden=8", "mlp:hidden=8, optimizer=adamw"]
    assert len({line["line"]["color"] for line in lines}) == 4


@pytest.mark.parametrize(("count", "closed"), [(1, 0), (3, 0), (4, 4)])
def test_of_many_runs_each_chapter_is_closed(folders: Folders, count: int, closed: int) -> None:
    runs = [folders.run(f"run-{place}") for place in range(count)]
    found = Elements(write_report(runs).read_text(encoding="utf-8")).found
    assert len([tag for tag, attributes in found if tag == "details" and attributes.get("class") == "closed"]) == closed
    assert len([attributes for tag, attributes in found if tag == "figure"]) >= 5 * count


def test_a_time_comes_with_its_quartiles_and_says_where_it_is_unsteady(folders: Folders) -> None:
    run = folders.run()
    old = {"batch1_ms": 0.2, "best_batch": 256, "best_batch_ms_per_image": 0.01, "threads": 1, "device": "cpu"}
    folders.evaluate(run, timing=old)
    assert "measured on cpu, 1 thread" in told(run)
    assert "quartiles" not in told(run)
    folders.evaluate(run, timing=old | {"batch1_ms_quartiles": [0.19, 0.23]})
    assert "quartiles 0.19 … 0.23 ms, measured on cpu" in told(run)
    assert "unsteady" not in told(run)
    folders.evaluate(run, timing=old | {"batch1_ms_quartiles": [0.15, 0.25]})
    assert "1 thread; the measurement was unsteady" in told(run)


def test_photos_in_which_nothing_was_found_have_a_figure_without_them(folders: Folders) -> None:
    run = folders.run()
    photo = {"index": 0, "true": "3", "answer": "1", "confidence": 0.2, "file": "3/a.png", "note": "nothing found"}
    photo["png_base64"] = base64.b64encode(encode_png(np.zeros((8, 8, 1), np.uint8))).decode()
    own = {"correct": 5, "n": 7, "confusion": [], "not_blank": {"correct": 5, "n": 6}}
    folders.evaluate(run, "mine", photos=[photo], **own)
    assert "71.43 % right" in told(run)
    assert "Without those in which nothing was found: 83.33 %, 95 % interval" in told(run)


def test_seconds_an_epoch_are_the_median(folders: Folders) -> None:
    run = folders.run()
    _rewritten(run, curves=[{"train_loss": 1.0, "seconds": seconds} for seconds in (0.2, 60.0, 0.2, None, 0.2)])
    assert ", 0.2 s each (median)." in told(run)


def test_runs_on_different_images_are_told_not_to_compare(folders: Folders) -> None:
    other = folders.run("other", settings={"fingerprint": "ff" * 32})
    assert "cannot be compared" in told(folders.run("one"), other)


def test_what_is_missing_is_told_with_the_command_that_fills_it(folders: Folders) -> None:
    run = folders.run()
    text = told(run)
    assert "The test part is still sealed" in text
    assert f"pennyweight evaluate {run}" in text
    assert f"pennyweight evaluate {run} --part validation" in text


def test_an_unfinished_run_says_how_to_resume_it(folders: Folders) -> None:
    run = folders.run(finished=False)
    assert f"This training has not ended. pennyweight train --resume {run}" in told(run)


def test_an_interrupted_run_shows_its_curves_and_what_they_say(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(done: Progress) -> None:
        if done.epoch == 3:
            raise Stop

    recipe = Recipe(epochs=6, optimizer="sgd", learning_rate=1e-6)
    with pytest.raises(Stop):
        train("digits", "mlp:hidden=8", recipe=recipe, out=tmp_path / "run", device="cpu", on_progress=stop)
    text = told(tmp_path / "run")
    assert "of 6 epochs so far." in text
    assert "Validation loss was lowest" in text
    assert diagnose(tmp_path / "run").findings[0].says.capitalize() in text
    assert "Healthy" not in text


@pytest.mark.parametrize(("name", "content"), [("results.json", b'{"curves": [{'), ("weights.safetensors", b"")])
def test_a_damaged_run_says_once_what_diagnose_says_and_is_not_resumed(
    folders: Folders, name: str, content: bytes
) -> None:
    run = folders.run()
    (run / name).write_bytes(content)
    text = told(run)
    with pytest.raises(RunError, match=name) as caught:
        evaluate(run)
    assert text.count(str(caught.value)) == 1
    assert "--resume" not in text
    assert "pooled-resnet:width=4 on digits" in text


def test_a_failed_run_says_what_ended_it(folders: Folders) -> None:
    run = folders.run(finished=False)
    Run(run).note_failure({"epoch": 3, "step": 7, "what": "the loss became nan", "hint": ""})
    text = told(run)
    assert f"This training broke down in epoch 3: the loss became nan. pennyweight diagnose {run}" in text
    assert "--resume" not in text
    assert "Diverged, since epoch 3" in text


def _rewritten(run: Path, **changes: Any) -> None:
    results = json.loads((run / "results.json").read_bytes()) | changes
    results.pop("sha256_of_the_rest")
    sums = results.pop("sha256")
    Run(run).finish(b"weights", results, {name: sums[name] for name in ("settings.json", "graph.json")})


@pytest.mark.parametrize(
    ("curves", "says"),
    [
        ([], "There are no curves"),
        ([{"epoch": 1, "train_loss": 1.0, "validation_loss": 1.1}], "one epoch: that is a point"),
        ([{"train_loss": 1.0, "validation_loss": loss} for loss in (1, None, 3)], "was not a number in some epochs"),
        ([{"train_loss": 1.0, "epoch": "1"}, {"train_loss": "high", "epoch": [1]}, {}, 7], "The training"),
        ([{"epoch": 1, "train_loss": 1.0}, {"epoch": 2, "train_loss": 0.5}], "The training loss"),
    ],
)
def test_curves_of_any_kind_are_shown_or_told(folders: Folders, curves: list[Any], says: str) -> None:
    run = folders.run()
    _rewritten(run, curves=curves)
    assert says in told(run)


def test_numbers_that_are_not_finite_do_no_harm(folders: Folders) -> None:
    search = folders.search()
    path = search / "search.json"
    path.write_text(path.read_text().replace('"minutes": 1.9', '"minutes": NaN').replace("0.1", "1e999"))
    assert "What was possible" in told(search)


def test_a_run_of_another_version_is_shown_and_told(folders: Folders) -> None:
    assert "Pennyweight 0.0.1 made this run" in told(folders.run(settings={"pennyweight": "0.0.1"}))


def test_the_command_of_a_training_on_resized_images_has_their_shape(folders: Folders) -> None:
    plain, resized = {"notes": []}, {"notes": ["images were 8x8x1 and are 28x28x1"], "input_shape": [28, 28, 1]}
    assert "--input" not in told(folders.run("plain", settings=plain))
    assert "--input 28x28x1" in told(folders.run("resized", settings=resized))


def test_a_run_whose_settings_lack_almost_everything_is_shown(folders: Folders) -> None:
    run = folders.run()
    for name in ("settings.json", "environment.json"):
        write_json(run / name, {})
    (run / "graph.json").write_text("{}")
    (run / "openings.jsonl").write_text("?")
    text = told(run)
    assert "unknown images" in text
    assert "The network cannot be priced" in text


def test_what_an_evaluation_does_not_keep_is_told_or_left_away(folders: Folders) -> None:
    run = folders.run()
    folders.evaluate(run, per_class=None, confusion=None, reliability=None, mistakes=None, timing=None)
    page = write_report([run]).read_text(encoding="utf-8")
    assert "On the test part: 90.00" in page
    assert "Figures of each class are not kept." in page
    assert "data:image" not in page


@pytest.mark.parametrize(
    "facts",
    [
        {"correct": 100, "accuracy": 1.0},
        {"confusion": [[1]]},
        {"confusion": [[0, 5, -5, *[0] * 7], *[[0] * 10] * 9]},
        {"confusion": [[100, *[0] * 9], *[[0] * 10] * 9]},
        {"mistakes": [{"index": 0, "true": "0", "answer": "1", "confidence": 0.9, "png_base64": "PHN2Zz4="}]},
        {"per_class": 5, "reliability": 7, "mistakes": 0, "n": -7},
        {"reliability": [{"confidence": 0.5, "accuracy": 0.5, "n": n} for n in (3, -3)]},
        {"labels": [0] * 100, "answers": [0] * 100},
    ],
)
@pytest.mark.parametrize(
    ("part", "way"), [("validation", " --part validation"), ("test", " --part test"), ("mine", "")]
)
def test_an_evaluation_that_contradicts_itself_shows_nothing_but_why_it_is_left_out(
    folders: Folders, facts: dict[str, Any], part: str, way: str
) -> None:
    run = folders.run()
    Run(run).count_opening()
    folders.evaluate(run, part, **facts)
    page = write_report([run]).read_text(encoding="utf-8")
    assert "data:image" not in page
    text = Elements(page).text
    assert f"On the {part} part" not in text
    assert "Test accuracy" not in text
    assert f"evaluations/{part}.json is malformed: " in text
    commands = re.findall(r"(?:is malformed: [^\n]*?\.) (pennyweight evaluate \S+(?: --part \w+)?)", text)
    assert commands == ([f"pennyweight evaluate {run}{way}"] if way else [])
    assert "still sealed" not in text


def test_an_unfinished_search_shows_what_was_done_so_far(folders: Folders) -> None:
    search = folders.search()
    facts = json.loads((search / "search.json").read_bytes())
    write_json(search / "search.json", {"trials": facts["trials"], "notes": []})
    text = told(search)
    assert "This search has not ended" in text
    assert "pooled-resnet:width=16 reaches 88.50 %" in text


@pytest.mark.parametrize("trials", [[], None, [3], [{}], [{"run": ".."}]])
def test_a_search_without_trials_is_told(folders: Folders, trials: Any) -> None:
    write_json(folders.root / "search.json", {"trials": trials})
    assert "Summary" in told(folders.root)


def test_a_winner_whose_run_is_gone_is_told(folders: Folders) -> None:
    search = folders.search()
    (search / "trial-04").rename(search / "elsewhere")
    assert "The winner's run cannot be shown" in told(search)


def test_a_folder_that_is_neither_run_nor_search_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="neither a run nor a search"):
        write_report([tmp_path])
    with pytest.raises(RunError, match="is not there"):
        write_report([tmp_path / "nothing"])


def test_a_place_that_cannot_be_written_is_refused_and_nothing_stays_behind(folders: Folders) -> None:
    run = folders.run()
    (folders.root / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        write_report([run], folders.root / "file" / "report.html")
    with pytest.raises(RunError, match="cannot be written"):
        write_report([run], folders.root)
    assert not list(folders.root.glob("**/*.draft"))


def test_the_page_asks_for_nothing_from_anywhere(folders: Folders) -> None:
    run = folders.run()
    folders.evaluate(run)
    page = write_report([run]).read_text(encoding="utf-8")
    without_plotly = re.sub(r'id="plotly">[^<]*<', "<", page)
    assert "//" not in re.sub(r"data:image/png;base64,[A-Za-z0-9+/=]*|/\*.*?\*/|^\s*//.*$", "", without_plotly)
    for tag, attributes in Elements(page).found:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form"), tag
        address = attributes.get("src") or attributes.get("href") or "#"
        assert address.startswith(("#", "data:image/png;base64,")), address


def test_only_the_scripts_of_the_page_may_run(folders: Folders) -> None:
    page = write_report([folders.run()]).read_text(encoding="utf-8")
    policy = next(a["content"] or "" for tag, a in Elements(page).found if tag == "meta" and "http-equiv" in a)
    script = re.findall(r"<script>(.*?)</script>", page, flags=re.DOTALL)
    assert len(script) == 1
    assert base64.b64encode(hashlib.sha256(script[0].encode()).digest()).decode() in policy
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]
    assert "unsafe-eval" not in policy


def test_hostile_names_stay_text(folders: Folders) -> None:
    names = folders.hostile
    run = folders.run(class_names=names, settings={"source": names[0]})
    folders.evaluate(run)
    page = write_report([run]).read_text(encoding="utf-8")
    found = Elements(page).found
    assert [tag for tag, _ in found].count("script") == 3
    assert not [tag for tag, attributes in found if any(name.startswith("on") for name in attributes)]
    assert not [tag for tag, _ in found if tag == "svg"]
    assert "\x1b" not in page
    assert "\u202e" not in page
    assert html.escape("<script>alert(1)</script>") in page


def test_figures_hold_no_markup_of_users(folders: Folders) -> None:
    run = folders.run(class_names=folders.hostile)
    folders.evaluate(run)
    page = write_report([run]).read_text(encoding="utf-8")
    data = re.search(r'id="figures">(.*?)</script>', page, flags=re.DOTALL)
    assert data is not None
    assert "<" not in data.group(1)
    labels = json.loads(data.group(1))["p0-confusion/"]["layout"]["xaxis"]["ticktext"]
    assert not [label for label in labels if "<" in label or ">" in label]


def test_every_figure_is_one_that_plotly_knows(folders: Folders) -> None:
    import plotly.graph_objects as go

    search, run = folders.search(), folders.run()
    for folder in (search / "trial-04", run):
        folders.evaluate(folder)
        folders.deploy(folder)
    page = write_report([search, run]).read_text(encoding="utf-8")
    data = re.search(r'id="figures">(.*?)</script>', page, flags=re.DOTALL)
    assert data is not None
    drawings = json.loads(data.group(1))
    assert len(drawings) > 20
    for drawing in drawings.values():
        go.Figure(drawing)


def test_the_page_is_small(folders: Folders) -> None:
    assert write_report([folders.search()]).stat().st_size < 3 * MEGABYTE


def test_the_same_facts_give_the_same_page(folders: Folders) -> None:
    run = folders.run()
    assert write_report([run]).read_bytes() == write_report(run).read_bytes()


def test_the_command_prints_the_path(folders: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    run = folders.run()
    assert main(["report", str(run)]) == 0
    assert capsys.readouterr().out.strip() == str(run / "report.html")
    assert main(["report", str(run), "--json", "--out", str(folders.root / "a" / "b.html")]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer == {
        "report": str(folders.root / "a" / "b.html"),
        "report_bytes": (folders.root / "a" / "b.html").stat().st_size,
        "warnings": [],
    }


def test_a_report_opens_no_images(folders: Folders) -> None:
    run = folders.run(settings={"source": "no-such-folder"})
    before = (run / "openings.jsonl").read_bytes()
    write_report([run])
    assert (run / "openings.jsonl").read_bytes() == before
