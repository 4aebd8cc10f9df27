"""`rank --from`: figures made elsewhere."""

from __future__ import annotations

import pytest
from cli_kit import call, ok

HEAD = "dataset,model,method,seed,RA,FA,VA,TA,U-MIA,seconds\n"
LINES = (
    "cifar10,resnet18,retrain,0,99.9,87.3,,86.9,50.3,1677\n"
    "cifar10,resnet18,retrain,1,99.9,87.5,,86.8,50.1,1680\n"
    "cifar10,resnet18,FT,0,100,84.8,,82.8,50.3,122\n"
    "cifar10,resnet18,ft,1,100,84.9,,82.7,50.2,121\n"
    "cifar10,resnet18,Their Own,0,86.6,85.2,,78.1,54.0,4\n"
    "cifar10,resnet18,Their Own,1,86.5,85.1,,78.0,54.1,4\n"
)


def write(tmp_path, text):
    path = tmp_path / "figures.csv"
    path.write_text(text)
    return path


def test_figures_from_elsewhere_are_ranked(tmp_path):
    rows = ok("rank", "--from", write(tmp_path, HEAD + LINES), "--json").json
    found = {row["label"]: row for row in rows}
    assert set(found) == {"FT", "Their Own", "Retrained"}
    by_hand = abs(100 / 99.9 - 1) + abs(84.8 / 87.3 - 1) + abs(82.8 / 86.9 - 1)
    by_hand += abs(100 / 99.9 - 1) + abs(84.9 / 87.5 - 1) + abs(82.7 / 86.8 - 1)
    assert found["FT"]["retdev_mean"] == pytest.approx(by_hand / 2)
    assert found["FT"]["indisc_mean"] == pytest.approx(1 - 2 * 0.0025)
    assert (found["FT"]["retdev_rank"], found["Their Own"]["retdev_rank"]) == (1, 2)


def test_shares_and_percent_are_the_same(tmp_path):
    lines = [line.split(",") for line in LINES.splitlines()]
    shares = "\n".join(
        ",".join([*line[:4], *(f"{float(v) / 100:.6f}" if v else "" for v in line[4:9]), line[9]])
        for line in lines
    )
    one = ok("rank", "--from", write(tmp_path, HEAD + LINES), "--json").json
    other = ok("rank", "--from", write(tmp_path, HEAD + shares), "--json").json
    for a, b in zip(one, other, strict=True):
        assert a["retdev_mean"] == pytest.approx(b["retdev_mean"], abs=1e-5)


@pytest.mark.parametrize(
    ("text", "code", "says"),
    [
        ("dataset,model,method\n", 2, "lacks the columns seed, RA, FA, TA"),
        (HEAD + "d,m,ft,0,abc,1,,1,,\n", 2, "line 2: RA 'abc' is not a number"),
        (HEAD + "d,m,ft,x,1,1,,1,,\n", 2, "line 2: seed"),
        (HEAD + "d,m,ft,0,1,1,,1,,\n", 2, "no row of method retrain"),
        (HEAD, 3, "has no row"),
    ],
)
def test_bad_figures(tmp_path, text, code, says):
    said = call("rank", "--from", write(tmp_path, text))
    assert (said.code, says in " ".join(said.err.split())) == (code, True), said.err
    assert call("rank", "--from", tmp_path / "no.csv").code == 3
