"""No password of a storage's address is ever shown, whatever is wrong with the address."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from cli_kit import call

from deepunlearn_cli.core.errors import UsageFailure
from deepunlearn_cli.core.plugins import Notice
from deepunlearn_cli.sweep import storage
from deepunlearn_cli.sweep.address import scrubbed, shown
from deepunlearn_cli.sweep.stated import studies_in
from deepunlearn_cli.sweep.storage import open_storage

SECRET = "s3cr3t-Word"
ADDRESSES = [
    f"postgresql://me:{SECRET}@host/db",
    f"postgresql://me:{SECRET}@host:54x2/db",
    f"postgresql://me:{SECRET}@@host/db",
    f"postgresql://me:a?{SECRET}/b#c@host/db",
    f"postgresql://:{SECRET}@host",
    f"postgresql+nodriver://me:{SECRET}@host/db",
    f"postgresql://host/db?user=me&password={SECRET}",
    f"postgresql://me@host/db?sslpassword={SECRET}&x=1",
    f"postgresql:me:{SECRET}@host/db",
    f"me:{SECRET}@host/db",
    f"nosuch://me:{SECRET}@host/db",
    f"mysql://me:{SECRET.replace('-', '%2D')}@host/db",
]


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_shown_without_its_password(address):
    assert SECRET not in shown(address)
    assert "host" in shown(address)
    for told in (f"cannot connect to {address}: no", f"bad password {SECRET!r}"):
        assert SECRET not in scrubbed(told, address)


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("variable", [False, True])
@pytest.mark.parametrize("form", [(), ("--json",), ("--debug",)])
def test_no_error_of_a_command_has_it(address, variable, form, tmp_path, monkeypatch):
    monkeypatch.setattr(storage, "TRIES", 1)
    given = () if variable else ("--database", address)
    environment = {"DEEPUNLEARN_DATABASE": address} if variable else {}
    store = tmp_path / "store"
    (store / "studies").mkdir(parents=True)
    (store / "store.json").write_text('{"schema": 1}')
    words = ("report", "--table", "sweep", *given, *form, "--store", store)
    said = call(*words, env=environment)
    assert said.code == 2, said
    for stream in (said.out, said.err):
        assert SECRET not in stream
        assert SECRET.replace("-", "%2D") not in stream


def test_an_address_without_secrets_is_shown_as_it_is():
    for address in ("postgresql://me@host/db", "sqlite:///x.db", "journal:/a/b.journal"):
        assert shown(address) == address


def test_a_password_too_short_to_cut_out_takes_the_reason_with_it():
    assert scrubbed("a bad a", "postgresql://me:a@host/db") == ""
    with pytest.raises(UsageFailure) as caught:
        storage.open_storage("nosuch://me:a@host/db")
    assert "me@host" in caught.value.message


@pytest.mark.parametrize("table", ["patients (name TEXT)", "version_info (app TEXT)"])
def test_a_database_of_something_else_is_left_as_it_is(tmp_path, table):
    file = tmp_path / "theirs.sqlite"
    with closing(sqlite3.connect(file)) as database:
        database.execute(f"CREATE TABLE {table}")
        database.commit()
    before = file.read_bytes()
    with pytest.raises(UsageFailure, match="something else"):
        open_storage(f"sqlite:///{file}")
    assert file.read_bytes() == before
    open_storage(f"sqlite:///{tmp_path / 'ours.sqlite'}")
    open_storage(f"sqlite:///{tmp_path / 'ours.sqlite'}")


def test_what_is_no_database_is_refused_without_opening_it(tmp_path):
    file = tmp_path / "words.txt"
    file.write_text("root:x:0:0\n" * 100)
    with pytest.raises(UsageFailure, match=r"words\.txt is no database"):
        storage.check_address(f"sqlite:///{file}")
    assert file.read_text() == "root:x:0:0\n" * 100


def test_a_study_that_a_kill_left_begun_is_none_yet(tmp_path):
    import optuna

    opened = open_storage(f"journal:{tmp_path / 'x.journal'}")
    study = optuna.create_study(storage=opened, study_name="begun")
    study.set_user_attr("deepunlearn", "0")
    assert [*studies_in(opened)] == []
    study.add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.warns(Notice, match="left out: study begun"):
        assert [*studies_in(opened)] == []
