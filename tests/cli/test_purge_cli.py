"""`deepunlearn purge`: nothing of the pictures is left, and everything else is as it was."""

import io
import json
import os
import re
import shutil
import signal
import sqlite3
import zipfile
from pathlib import Path

import numpy as np
import pytest
from cli_kit import call
from PIL import Image
from store_kit import FORK

from deepunlearn_cli.data import erasures, load_dataset, load_forget, open_dataset, read_record, traces
from deepunlearn_cli.store import Store, manifest, stripping
from deepunlearn_cli.store.index import row
from deepunlearn_cli.store.ledger import Ledger
from deepunlearn_cli.store.requests import requests_of

MODEL = ("--model", "resnet-tiny", "-p", "epochs=1", "-q")
RNG = np.random.default_rng(5)


def pets(folder: Path, count: int = 40) -> str:
    for name in "ab":
        (folder / name).mkdir(parents=True)
        for number in range(count):
            picture = RNG.integers(0, 256, (12, 12, 3), dtype=np.uint8)
            Image.fromarray(picture).save(folder / name / f"{name}{number}.png")
    return f"folder:{folder}"


def inside(name: str, content: bytes) -> dict[str, bytes]:
    """What a file is made of, as it lies there and unpacked."""
    found = {name: content}
    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            found |= {f"{name}!{one}": archive.read(one) for one in archive.namelist()}
    if content.startswith(b"SQLite format 3"):
        Path(name + ".copy").write_bytes(content)
        with sqlite3.connect(name + ".copy") as database:
            rows = database.execute("SELECT runs FROM shards").fetchall()
            found |= {f"{name}!{number}": row[0] for number, row in enumerate(rows)}
        Path(name + ".copy").unlink()
    return found


def holding(root: Path, pictures) -> list[str]:
    """Files that hold 64 bytes in a row of a picture: then they hold 32 that begin at a multiple of 32."""
    raw = [picture.tobytes() for picture in pictures]
    parts = {one[start : start + 32] for one in raw for start in range(0, len(one) - 31, 32)}
    pattern = re.compile(b"|".join(map(re.escape, sorted(parts))), re.DOTALL)
    files = [path for path in root.rglob("*") if path.is_file()]
    every = {
        name: content for path in files for name, content in inside(str(path), path.read_bytes()).items()
    }
    return sorted(name for name, content in every.items() if pattern.search(content))


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A store in which a request was carried out and audited, and the ids of its runs."""
    folder = tmp_path_factory.mktemp("served")
    spec, store = pets(folder / "pets"), folder / "store"
    where = ("--store", str(store))
    original, retrained = call(
        "train", "--dataset", spec, *MODEL, "--role", "both", "--forget", "random:0.2", *where
    ).lines
    made = {"original": original, "retrained": retrained}
    for method in ("ft", "ga", "do-nothing"):
        extra = () if method == "do-nothing" else ("-p", "epochs=1")
        (made[method],) = call("unlearn", original, "--method", method, *extra, "-q", *where).lines
    assert call("attack", "umia", made["ft"], "-q", *where).code in (0, 4, 5)
    return store, made


@pytest.fixture
def scene(served, tmp_path):
    store, made = served
    shutil.copytree(store, tmp_path / "store")
    return tmp_path / "store", made


def dataset_of(store: Path, run: str):
    kept = Store(store)
    return load_dataset(kept.find(run).recipe.data["fingerprint"], kept.data)


def forgotten(store: Path, run: str):
    kept = Store(store)
    return load_forget(kept.find(run).recipe.forget, kept.data).indices


def kept(store: Path) -> dict[Path, bytes]:
    """Every file but what is derived."""
    derived = ("index.sqlite", "pictures.npy", "seal.json")
    files = [path for path in store.rglob("*") if path.is_file() and path.name not in derived]
    return {path: path.read_bytes() for path in files}


def purge(store: Path, *words: str):
    return call("purge", *words, "--store", str(store))


def rows(said, state: str, what: str):
    return [row for row in said.json if (row["state"], row["what"]) == (state, what)]


def test_nothing_is_left_and_the_rest_verifies_and_is_made_again_to_the_bit(scene):
    store, made = scene
    dataset, gone = dataset_of(store, made["ft"]), forgotten(store, made["ft"])
    deleted, names = dataset.images[gone].copy(), [dataset.paths[index] for index in gone]
    del dataset
    tables = call("report", "--json", "--store", str(store)).out
    assert holding(store, deleted)
    said = purge(store, "--forget", made["ft"], "--yes", "--json")
    assert said.code == 0, said.err
    assert rows(said, "removed", "pictures")[0]["pictures"] == len(gone)
    assert holding(store, deleted) == []
    files = [path.read_bytes() for path in store.rglob("*") if path.is_file()]
    assert not [name for name in names for content in files if name.encode() in content]
    checked = call("verify", "--store", str(store))
    assert (checked.code, f"{len(gone)} pictures were purged" in checked.err) == (0, True)
    assert call("report", "--json", "--store", str(store)).out == tables
    before = Store(store).find(made["retrained"])
    weights, scores = (before.path / "weights.safetensors").read_bytes(), before.scores
    shutil.rmtree(before.path)
    again = call(
        "train", "--dataset", f"folder:{_pets_of(store)}", *MODEL, "--role", "retrain", "--forget", "random:0.2",
        "--store", str(store),
    )  # fmt: skip
    assert again.lines == [made["retrained"]], again.err
    after = Store(store).find(made["retrained"])
    assert (after.path / "weights.safetensors").read_bytes() == weights
    assert {name: scores[name] for name in ("RA", "VA", "TA")} == after.scores
    assert any("nothing is said of them" in one for one in after.facts["warnings"])
    assert call("verify", "--store", str(store)).code == 0


def _pets_of(store: Path) -> str:
    entry = json.loads(next((store / "data" / "sources").glob("*.json")).read_text())
    return entry["place"]


def test_what_was_made_of_them_cannot_be_made_again(scene):
    store, made = scene
    said = purge(store, "--forget", made["ft"], "--yes", "--json")
    (lost,) = rows(said, "not reproducible", "runs")
    assert set(lost["runs"]) == {made["original"], made["ga"]}
    shutil.rmtree(Store(store).find(made["ga"]).path)
    again = call("unlearn", made["original"], "--method", "ga", "-p", "epochs=1", "--store", str(store))
    assert again.code == 3
    assert "forget pictures of folder:pets that were purged" in again.err
    other = call(
        "train", "--dataset", f"folder:{_pets_of(store)}", *MODEL, "--seeds", "9", "--store", str(store)
    )
    assert other.code == 3
    assert "retain pictures of folder:pets that were purged" in other.err
    fine = call("unlearn", made["original"], "--method", "ft", "-p", "epochs=2", "-q", "--store", str(store))
    assert fine.code == 0, fine.err


def test_models_that_know_them_go_if_asked_and_figures_stay(scene):
    store, made = scene
    tables = call("report", "--json", "--store", str(store)).out
    ranks = call("rank", "--json", "--store", str(store)).out
    said = purge(store, "--forget", made["ft"], "--models", "--yes", "--json")
    assert said.code == 0, said.err
    (models,) = rows(said, "removed", "models")
    assert set(models["runs"]) == {made["original"], made["do-nothing"]}
    assert models["bytes"] > 100_000
    kept = Store(store)
    for name in ("original", "do-nothing"):
        assert not {"weights.safetensors", "outputs.safetensors"} & {*kept.find(made[name]).files}
    for name in ("ft", "ga", "retrained"):
        run = kept.find(made[name])
        assert run.whole
        assert "weights.safetensors" in run.files
        assert set(run.outputs()) == {"retain", "val", "test"}
    gone = forgotten(store, made["ft"])
    for one in kept.rows(kind="attack"):
        arrays = kept.find(one["id"]).outputs()
        assert not [part for part in arrays.values() if np.isin(part.get("index", []), gone).any()]
    assert call("verify", "--store", str(store)).code == 0
    assert call("report", "--json", "--store", str(store)).out == tables
    assert call("rank", "--json", "--store", str(store)).out == ranks
    again = call("unlearn", made["original"], "--method", "ga", "-p", "epochs=2", "--store", str(store))
    assert again.code == 3
    twice = purge(store, "--forget", made["ft"], "--models", "--yes", "--json")
    assert twice.code == 0
    assert rows(twice, "removed", "pictures")[0]["pictures"] == 0
    assert not rows(twice, "removed", "models")


@pytest.mark.parametrize(
    ("step", "number"),
    [
        ("_put", 2),
        ("_seal", 1),
        *(pytest.param(*one, marks=pytest.mark.slow) for one in (("_put", 1), ("_put", 5), ("_put", 9))),
        *(
            pytest.param(*one, marks=pytest.mark.slow)
            for one in (("_seal", 2), ("_beside", 1), ("_beside", 6))
        ),
    ],
)
def test_killed_while_models_go_it_ends_the_next_time(scene, step, number):
    store, made = scene

    def killed() -> None:
        real, count = getattr(stripping, step), iter(range(1, 1000))

        def dying(*given):
            if next(count) == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*given)

        setattr(stripping, step, dying)
        purge(store, "--forget", made["ft"], "--models", "--yes")

    process = FORK.Process(target=killed)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert purge(store).code == 0
    assert call("verify", "--store", str(store)).code == 0
    assert purge(store, "--forget", made["ft"], "--models", "--yes").code == 0
    assert call("verify", "--store", str(store)).code == 0
    assert "weights.safetensors" not in Store(store).find(made["original"]).files
    assert set(Store(store).find(made["retrained"]).outputs()) == {"retain", "val", "test"}


def test_a_dry_run_changes_nothing(scene):
    store, made = scene
    before = kept(store)
    said = purge(store, "--forget", made["ft"], "--models", "--dry-run", "--json")
    assert said.code == 0
    (pictures,) = rows(said, "to remove", "pictures")
    assert pictures["bytes"] == pictures["pictures"] * 12 * 12 * 3
    assert rows(said, "to remove", "models")[0]["bytes"] > 100_000
    assert kept(store) == before
    assert "would be erased" in purge(store, "--forget", made["ft"]).err


def test_what_cannot_be_purged_is_said(scene):
    store, made = scene
    unaudited = purge(store, "--forget", made["ga"], "--yes")
    assert (unaudited.code, "was not audited" in unaudited.err) == (2, True)
    assert purge(store, "--forget", made["original"], "--yes").code == 2
    assert purge(store, "--forget", "abcd", "--yes").code == 3
    assert purge(store, "--forget", "no-file.pt", "--yes").code == 3
    assert purge(store, "--request", "4711", "--yes").code == 3
    assert purge(store, "--request", "4711", "--forget", made["ft"]).code == 2
    assert purge(store, "--models").code == 2
    assert call("verify", "--store", str(store)).code == 0
    nothing = purge(store, "--yes")
    assert (nothing.code, nothing.lines) == (0, [])
    assert purge(store, "--forget", made["ga"], "--yes", "--force").code == 0


def test_a_file_names_what_it_has_forgotten(scene, tmp_path):
    store, made = scene
    out = tmp_path / "clean.pt"
    done = call(
        "unlearn", made["original"], "--method", "ft", "-p", "epochs=1", "--out", str(out), "-q", "--store", str(store)
    )  # fmt: skip
    assert done.code == 0, done.err
    gone = forgotten(store, made["ft"])
    assert purge(store, "--forget", str(out), "--yes").code == 0
    assert dataset_of(store, made["ft"]).purged.tolist() == gone.tolist()
    again = purge(store, "--forget", str(out), "--yes", "--json")
    assert rows(again, "removed", "pictures")[0]["pictures"] == 0


def test_a_file_from_a_store_whose_forget_sets_are_not_here(scene, tmp_path):
    store, made = scene
    out, gone = tmp_path / "clean.pt", forgotten(store, made["ft"])
    ft = ("--method", "ft", "-p", "epochs=1", "--out", str(out), "-q", "--store", str(store))
    assert call("unlearn", made["original"], *ft).code == 0
    for kept in (store / "data" / "forget").glob("*.npz"):
        kept.unlink()
    done = purge(store, "--forget", str(out), "--yes")
    assert done.code == 0, done.err
    assert dataset_of(store, made["ft"]).purged.tolist() == gone.tolist()


def test_a_request_is_found_however_its_id_was_typed(scene):
    store, made = scene
    asked = ("--method", "ft", "-p", "epochs=1", "--request", "caf\u00e9 7", "-q", "--store", str(store))
    assert call("unlearn", made["original"], *asked).code == 0
    found = purge(store, "--request", "cafe\u0301 7", "--force", "--dry-run", "--json")
    assert found.code == 0, found.err
    assert rows(found, "to remove", "pictures")


@pytest.mark.parametrize("name", ["samples.csv", "samples.jsonl"])
def test_lines_of_samples_go(scene, tmp_path, name):
    store, made = scene
    out = tmp_path / name
    call("attack", "umia", made["ft"], "--samples", str(out), "-q", "--store", str(store))
    before, wanted = out.read_text().splitlines(), ("--forget", made["ft"], "--lines-of", str(out))
    (planned,) = rows(purge(store, *wanted, "--dry-run", "--json"), "to remove", "lines")
    assert out.read_text().splitlines() == before
    assert purge(store, *wanted, "--yes").code == 0
    after = out.read_text().splitlines()
    assert len(after) == len(before) - planned["pictures"]
    assert 0 < planned["pictures"] < len(before)
    assert [one for one in before if one in after] == after
    assert not [one for one in after if ",forget," in one or '"side": "forget"' in one]


def test_records_of_samples_go_whatever_their_cells_hold(scene, tmp_path):
    """Cells with ends of lines, quotes and other separators; byte order mark; every other byte stays."""
    store, made = scene
    out = tmp_path / "samples.csv"
    call("attack", "umia", made["ft"], "--samples", str(out), "-q", "--store", str(store))
    head, *lines = out.read_bytes().splitlines()
    cell = '"two\r\nlines, \n a ""quote"" and \u2028 \x0b"'.encode()
    marked = [b"\xef\xbb\xbf" + head + b",note", *(line + b"," + cell for line in lines)]
    out.write_bytes(b"\r\n".join(marked) + b"\r\n\r\n")
    assert purge(store, "--forget", made["ft"], "--lines-of", str(out), "--yes").code == 0
    left = [b"\xef\xbb\xbf" + head + b",note"]
    left += [line + b"," + cell for line in lines if b",forget," not in line]
    assert 1 < len(left) < len(marked)
    assert out.read_bytes() == b"\r\n".join(left) + b"\r\n\r\n"


def test_a_file_whose_quotes_do_not_close_is_left_alone(scene, tmp_path):
    store, made = scene
    out = tmp_path / "samples.csv"
    call("attack", "umia", made["ft"], "--samples", str(out), "-q", "--store", str(store))
    head, first, *rest = out.read_text().splitlines()
    text = "\n".join([f"{head},note", f'{first},"never closed', *(f"{line},x" for line in rest)])
    out.write_text(text)
    assert purge(store, "--forget", made["ft"], "--lines-of", str(out), "--yes").code == 2
    assert out.read_text() == text


def test_a_model_that_forgot_is_made_again_and_compared_as_far_as_it_goes(scene):
    """Weights and what it says of pictures that are left; nothing of those that are gone."""
    store, made = scene
    where = ("--store", str(store))
    assert purge(store, "--forget", made["ft"], "--yes").code == 0
    for name in ("ft", "retrained"):
        said = call("replay", made[name], "--json", *where)
        assert said.code == 0, said.err
        (one,) = said.json
        assert {part: row["state"] for part, row in one["parts"].items()} == dict.fromkeys(
            ("status", "weights", "outputs", "scores"), "equal"
        )
        assert any("were purged since" in note and "FA" in note for note in one["notes"])
    assert purge(store, "--forget", made["ft"], "--models", "--yes").code == 0
    assert call("replay", made["retrained"], *where).code == 0
    assert call("replay", made["ft"], *where).code == 3


def test_a_later_request_that_names_purged_pictures_is_told_how_to_go_on(scene):
    store, made = scene
    assert purge(store, "--forget", made["ft"], "--yes").code == 0
    where = ("--ckpt", made["ft"], "--forget", "class:a", "-p", "epochs=1", "-q", "--store", str(store))
    said = call("unlearn", "--method", "ga", *where)
    assert (said.code, "--forget indices:FILE" in said.err, "retained pictures only" in said.err) == (
        3,
        True,
        True,
    )
    assert call("unlearn", "--method", "ft", *where).code == 0


def test_a_purge_hides_no_model_that_differs(scene):
    store, made = scene
    assert purge(store, "--forget", made["ft"], "--yes").code == 0
    run = Store(store).find(made["retrained"])
    scores = run.scores | {"TA": 0.123}
    (run.path / "scores.json").write_text(json.dumps(scores))
    (run.path / "manifest.json").unlink()
    manifest.write(run.path, row(run.recipe, scores, run.facts))
    assert call("replay", made["retrained"], "--store", str(store)).code == 7


def test_the_page_of_a_request_is_written_when_models_and_outputs_are_gone(scene):
    store, made = scene
    where = ("--store", str(store))
    (run,) = call(
        "unlearn", made["original"], "--method", "ft", "-p", "epochs=2", "--request", "R", "-q", *where
    ).lines
    assert call("attack", "umia", run, "-q", *where).code in (0, 4, 5)
    before = call("report", run, "--format", "html", *where).out
    assert purge(store, "--request", "R", "--models", "--yes").code == 0
    after = call("report", run, "--format", "html", *where)
    assert after.code == 0, after.err
    (verdict, told), (again, anew) = (_banner(page) for page in (before, after.out))
    assert (verdict, told) == (again, anew)
    lone = call("report", made["ft"], "--format", "html", *where)
    assert (lone.code, _banner(lone.out)[0]) == (0, "The audit is not at hand")


def _banner(page: str) -> tuple[str, str]:
    """What a page opens with: the verdict, and what it means."""
    found = re.search(r'<div class="verdict [^"]*"><b>(.*?)</b><br>(.*?)</div>', page)
    assert found
    return found[1], found[2]


def test_what_an_original_is_to_forget_is_no_word_on_what_may_be_erased(scene, tmp_path):
    store, made = scene
    spec, file = f"folder:{_pets_of(store)}", tmp_path / "orig.pt"
    words = ("train", "--dataset", spec, *MODEL, "--forget", "random:0.2", "--out", str(file))
    assert call(*words, "--store", str(store)).code == 0
    said = purge(store, "--forget", str(file), "--force", "--yes")
    assert (said.code, "has forgotten nothing" in said.err) == (2, True)
    assert len(dataset_of(store, made["ft"]).purged) == 0


def test_a_file_that_is_none_of_samples_is_left_alone(scene, tmp_path):
    store, made = scene
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    assert purge(store, "--forget", made["ft"], "--lines-of", str(tmp_path / "other.csv"), "--yes").code == 2
    assert purge(store, "--forget", made["ft"], "--lines-of", str(tmp_path / "no.csv"), "--yes").code == 3
    assert (tmp_path / "other.csv").read_text() == "a,b\n1,2\n"
    assert len(dataset_of(store, made["ft"]).purged) == 0


def test_a_running_command_keeps_its_pictures(scene):
    store, made = scene
    ready, done = FORK.Event(), FORK.Event()

    def reading() -> None:
        from deepunlearn_cli.data import _readers

        _readers._open.clear()
        mapped = dataset_of(store, made["ft"])
        ready.set()
        done.wait(60)
        assert mapped.images[int(forgotten(store, made["ft"])[0])].any()

    process = FORK.Process(target=reading)
    process.start()
    assert ready.wait(60)
    said = purge(store, "--forget", made["ft"], "--models", "--yes")
    assert said.code == 2
    assert "in use by a command that runs" in said.err
    assert "weights.safetensors" in Store(store).find(made["original"]).files
    done.set()
    process.join(60)
    assert process.exitcode == 0


def test_a_request_is_purged_once_it_was_audited_and_the_ledger_says_so(scene):
    store, made = scene
    asked = ("--method", "ft", "-p", "epochs=1", "--request", "4711", "-q", "--store", str(store))
    assert call("unlearn", made["original"], *asked).code == 0
    early = purge(store, "--request", "4711", "--yes")
    assert (early.code, "request 4711 was not audited" in early.err) == (2, True)
    assert call("attack", "umia", made["ft"], "--tolerance", "0.2", "--store", str(store)).code in (0, 4, 5)
    unknown = purge(store, "--request", "4712", "--yes")
    assert (unknown.code, "did you mean 4711" in unknown.err) == (3, True)
    for _ in range(2):
        assert purge(store, "--request", "4711", "--yes").code == 0
    entries = [
        entry for entry in requests_of(Ledger(store).entries())["4711"].entries if entry.event == "purged"
    ]
    gone = forgotten(store, made["ft"])
    assert [list(entry.details["pictures"].values()) for entry in entries] == [[len(gone)]]
    assert purge(store, "--request", "4711", "--models", "--yes").code == 0
    said = [
        entry.details["models"]
        for entry in requests_of(Ledger(store).entries())["4711"].entries
        if entry.event == "purged"
    ]
    assert said == [False, True]
    assert call("verify", "--store", str(store)).code == 0
    requests = dataset_of(store, made["ft"]), Store(store).data
    assert [
        one["request"] for one in read_record(requests[1]).datasets[requests[0].fingerprint].requests
    ] == ["4711"]


def test_a_store_that_may_only_be_read_is_left_as_it_is(scene):
    store, made = scene
    if os.geteuid() == 0:
        pytest.skip("the superuser may write everything")
    for path in (store, *store.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    assert purge(store, "--forget", made["ft"], "--dry-run").code == 0
    assert purge(store, "--forget", made["ft"], "--yes").code == 2


def test_the_source_is_named_and_whether_it_is_still_there(scene):
    store, made = scene
    (source,) = rows(purge(store, "--forget", made["ft"], "--dry-run", "--json"), "out of reach", "source")
    assert source["where"] == _pets_of(store)
    assert "delete them there" in source["why"]


def test_a_file_in_the_store_that_is_none_of_its_own_is_named(scene):
    store, made = scene
    dataset, gone = dataset_of(store, made["ft"]), forgotten(store, made["ft"])
    other = int(np.setdiff1d(np.arange(len(dataset)), gone)[0])
    (store / "mine").mkdir()
    np.savez(store / "mine" / "some.npz", x=dataset.images[gone[:1]])
    np.save(store / "mine" / "part.npy", dataset.images[int(gone[1])].reshape(-1)[37:101])
    np.save(store / "mine" / "others.npy", dataset.images[[other]])
    del dataset
    for words in (["--dry-run"], ["--yes"]):
        said = purge(store, "--forget", made["ft"], *words, "--json")
        files = [row["where"] for row in rows(said, "remains", "file")]
        assert files == ["mine/part.npy", "mine/some.npz"]


def test_what_all_pictures_hold_is_no_trace(tmp_path):
    images = RNG.integers(0, 256, (30, 12, 12, 3), dtype=np.uint8)
    images[:, :4] = 0
    np.savez(tmp_path / "scans.npz", x_train=images, y_train=np.arange(30) % 2)
    home = tmp_path / "store" / "data"
    dataset = open_dataset(f"npz:{tmp_path / 'scans.npz'}", home)
    (tmp_path / "store" / "zeros.bin").write_bytes(bytes(5000))
    (tmp_path / "store" / "late.bin").write_bytes(
        bytes((1 << 20) - 20) + dataset.images[3].tobytes()[200:264]
    )
    planned = erasures(home, dataset.fingerprint, [3, 4])
    assert [path.name for path in traces(tmp_path / "store", home, planned)] == ["late.bin"]


def test_a_damaged_run_is_not_passed_over(scene):
    store, made = scene
    (Store(store).find(made["original"]).path / "recipe.json").write_text("{")
    said = purge(store, "--forget", made["ft"], "--models", "--yes", "--json")
    assert said.code == 0, said.err
    assert [row["runs"] for row in rows(said, "remains", "damaged")] == [[made["original"]]]
    assert set(rows(said, "removed", "models")[0]["runs"]) == {made["do-nothing"]}


def test_requests_in_a_row_are_purged_one_after_the_other(served, tmp_path):
    store, made = served[0].parent / "row", served[1]
    shutil.copytree(served[0], store)
    where = ("--store", str(store), "-q")
    ft = ("--method", "ft", "-p", "epochs=1", "--request")
    (first,) = call("unlearn", made["original"], *ft, "A", *where).lines
    (second,) = call("unlearn", first, *ft, "B", "--forget", "random:0.2:9", *where).lines
    dataset = dataset_of(store, first)
    of_first, of_second = forgotten(store, first), forgotten(store, second)
    pictures = {name: dataset.images[index].copy() for name, index in (("A", of_first), ("B", of_second))}
    del dataset
    assert purge(store, "--request", "A", "--yes", "--force").code == 0
    assert holding(store, pictures["A"]) == []
    assert holding(store, pictures["B"])
    assert purge(store, "--request", "B", "--yes", "--force").code == 0
    assert holding(store, [*pictures["A"], *pictures["B"]]) == []
    assert call("verify", *where[:2]).code == 0
    states = {row["request"]: row["state"] for row in call("requests", "--json", *where[:2]).json}
    assert states == {"A": "purged", "B": "purged"}
