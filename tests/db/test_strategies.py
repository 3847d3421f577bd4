"""Registered strategies: versions that never change, revisions of parameters, who owns what."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

import psycopg
import pytest

from commenda.kit.db import Database, Tx
from commenda.kit.errors import CommendaError
from commenda.operations import verify
from commenda.strategies import (
    CATALOGUE,
    Registrar,
    Status,
    catalogue,
    keep_params,
    move,
    queries,
    register,
    register_catalogue,
)
from people import signed_in, user_of
from world import in_threads

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PLATFORM = Registrar("platform", NOW)
EMA = catalogue()["ema_trend"]


def events(tx: Tx) -> list[tuple[str, str]]:
    return tx.execute(
        "SELECT kind, subject FROM audit_events WHERE kind LIKE 'strategy.%%' ORDER BY id"
    ).fetchall()


def creator(db: Database, name: str) -> Registrar:
    signed_in(db, "creator", name)
    user: UUID = user_of("creator", name)
    return Registrar(f"creator:{user}", NOW, user)


def refused(code: str):  # type: ignore[no-untyped-def]
    return pytest.raises(CommendaError, match=rf"\[{code}\]")


# Versions


def test_the_catalogue_is_registered_and_published_once(db: Database) -> None:
    for _ in range(2):
        with db.transaction() as tx:
            assert register_catalogue(tx, NOW) == ()
    with db.transaction() as tx:
        assert list(verify(tx)) == []
        found = queries.strategies(tx)
        told = events(tx)
    assert {one.name for one in found} == set(catalogue())
    assert {(one.status, one.owner_id) for one in found} == {("published", None)}
    assert len(told) == 2 * len(CATALOGUE)


def test_a_version_has_its_source_its_ranges_and_its_text(db: Database) -> None:
    with db.transaction() as tx:
        version = register(tx, PLATFORM, EMA)
    assert (version.version, version.source_hash) == (EMA.version, EMA.source_hash)
    assert version.reference == "ema_trend"
    assert "def ema_trend(state, bar, position, params)" in version.code
    ranges = {each["name"]: (each["low"], each["high"]) for each in version.declaration["params"]}
    assert ranges == {param.name: (param.low, param.high) for param in EMA.params}


def test_the_same_version_of_another_source_is_refused_and_names_both(db: Database) -> None:
    other = replace(EMA, source_hash="0" * 64)
    with db.transaction() as tx:
        register(tx, PLATFORM, EMA)
    with db.transaction() as tx, refused("strategy_version_taken") as caught:
        register(tx, PLATFORM, other)
    assert EMA.source_hash[:16] in caught.value.message
    assert "0" * 16 in caught.value.message
    with db.transaction() as tx, refused("strategy_version_taken"):
        register(tx, PLATFORM, replace(EMA, params=EMA.params[:-1]))
    with db.transaction() as tx:
        register(tx, PLATFORM, replace(other, version="1.0.1"))
        known = queries.strategy_named(tx, "ema_trend")
        assert [one.version for one in queries.versions(tx, known.id)] == ["1.0.1", EMA.version]
        assert queries.version_of(tx, known).version == "1.0.1"


def test_an_edited_shipped_strategy_does_not_keep_the_others_from_registering(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with db.transaction() as tx:
        register(tx, PLATFORM, replace(EMA, source_hash="0" * 64))
    with db.transaction() as tx:
        (error,) = register_catalogue(tx, NOW)
        assert error.code == "strategy_version_taken"
        assert len(queries.strategies(tx)) == len(CATALOGUE)


def test_two_who_register_at_once_find_one_version(db: Database) -> None:
    def once() -> UUID:
        with db.transaction() as tx:
            return register(tx, PLATFORM, EMA).id

    assert len(set(in_threads(*[once] * 6))) == 1
    with db.transaction() as tx:
        assert len(events(tx)) == 1


def test_a_name_belongs_to_who_registered_it_first(db: Database) -> None:
    mine = creator(db, "cleo")
    with db.transaction() as tx:
        register(tx, mine, replace(EMA, name="cleos"))
        register(tx, PLATFORM, EMA)
    for by, name in ((PLATFORM, "cleos"), (mine, "ema_trend"), (creator(db, "carl"), "cleos")):
        with db.transaction() as tx, refused("strategy_name_taken"):
            register(tx, by, replace(EMA, name=name))


def test_a_published_strategy_is_only_ever_retired(db: Database) -> None:
    with db.transaction() as tx:
        register(tx, PLATFORM, EMA)
        assert move(tx, PLATFORM, "ema_trend", Status.PUBLISHED).status == "published"
        assert move(tx, PLATFORM, "ema_trend", Status.RETIRED).status == "retired"
        assert [kind for kind, _ in events(tx)] == [
            "strategy.registered",
            "strategy.published",
            "strategy.retired",
        ]
    for to in (Status.DRAFT, Status.PUBLISHED):
        with db.transaction() as tx, refused("strategy_is_final"):
            move(tx, PLATFORM, "ema_trend", to)
    with db.transaction() as tx, refused("strategy_is_final"):
        keep_params(tx, PLATFORM, "ema_trend", "calm", {})
    with db.transaction() as tx, refused("unknown_strategy"):
        move(tx, creator(db, "cleo"), "ema_trend", Status.RETIRED)


# Parameters


def test_a_set_grows_by_revisions_with_every_parameter_in_them(db: Database) -> None:
    mine = creator(db, "cleo")
    later = replace(mine, now=NOW + timedelta(hours=1))
    with db.transaction() as tx:
        register_catalogue(tx, NOW)
        first = keep_params(tx, mine, "ema_trend", "calm", {"fast": 24}, note="slower")
        second = keep_params(tx, later, "ema_trend", "calm", {"fast": 30.0})
        other = keep_params(tx, mine, "ema_trend", "wild", {})
    with db.transaction() as tx:
        assert list(verify(tx)) == []
    assert first.params == EMA.resolve({"fast": 24})
    assert (first.revision, second.revision, other.revision) == (1, 2, 1)
    with db.transaction() as tx:
        known = queries.strategy_named(tx, "ema_trend")
        sets = queries.parameter_sets(tx, known.id, reader=mine.owner_id, name="calm", limit=9)
    assert [(one.revision, one.params["fast"], one.note) for one in sets] == [
        (2, 30.0, ""),
        (1, 24.0, "slower"),
    ]


def test_parameters_are_checked_by_the_code_or_by_the_declared_ranges(db: Database) -> None:
    with db.transaction() as tx:
        register_catalogue(tx, NOW)
        register(tx, PLATFORM, replace(EMA, name="elsewhere"))
    wrong = [({"fast": 1.0}, "bad_parameter"), ({"quick": 5}, "unknown_parameter")]
    for name in ("ema_trend", "elsewhere"):
        for params, code in wrong:
            with db.transaction() as tx, refused(code):
                keep_params(tx, PLATFORM, name, "calm", params)
    with db.transaction() as tx, refused("bad_parameter"):
        keep_params(tx, PLATFORM, "ema_trend", "calm", {"fast": 300, "slow": 200})
    with db.transaction() as tx, refused("unknown_version"):
        keep_params(tx, PLATFORM, "ema_trend", "calm", {}, version="9.9")


def test_sets_of_two_people_do_not_meet(db: Database) -> None:
    cleo, carl = creator(db, "cleo"), creator(db, "carl")
    with db.transaction() as tx:
        register_catalogue(tx, NOW)
        known = queries.strategy_named(tx, "ema_trend")
        for by in (cleo, carl, PLATFORM):
            assert keep_params(tx, by, "ema_trend", "calm", {}).revision == 1
        seen = queries.parameter_sets(tx, known.id, reader=cleo.owner_id, limit=9)
        everything = queries.parameter_sets(tx, known.id, reader=None, limit=9)
    assert {one.owner_id for one in seen} == {cleo.owner_id, None}
    assert len(everything) == 3


def test_revisions_asked_for_at_once_are_numbered_one_by_one(db: Database) -> None:
    with db.transaction() as tx:
        register_catalogue(tx, NOW)

    def once() -> int:
        with db.transaction() as tx:
            return keep_params(tx, PLATFORM, "ema_trend", "calm", {}).revision

    assert sorted(in_threads(*[once] * 6)) == [1, 2, 3, 4, 5, 6]


def test_nothing_that_was_registered_can_be_changed(db: Database) -> None:
    with db.transaction() as tx:
        register_catalogue(tx, NOW)
        keep_params(tx, PLATFORM, "ema_trend", "calm", {})
    for change in (
        "UPDATE strategy_versions SET source_hash = repeat('0', 64)",
        "UPDATE strategy_params SET params = '{}'",
        "UPDATE strategies SET name = 'other'",
        "DELETE FROM strategy_params",
        "DELETE FROM strategy_versions",
        "DELETE FROM strategies",
    ):
        with db.transaction() as tx, pytest.raises(psycopg.errors.InsufficientPrivilege):
            tx.execute(change)


def test_verify_finds_parameters_out_of_range_and_missing_revisions(db: Database) -> None:
    with db.transaction() as tx:
        register_catalogue(tx, NOW)
        keep_params(tx, PLATFORM, "ema_trend", "calm", {})
    with psycopg.connect(db.owner_url, autocommit=True) as owner:
        owner.execute(
            "UPDATE strategy_params SET revision = 3,"
            " params = jsonb_set(params - 'band', '{fast}', '-1')"
        )
    with db.transaction() as tx:
        found = {(one.subject.split()[-1], one.found) for one in verify(tx)}
    assert {("band", "none"), ("fast", "-1")} < found
    assert {said for _, said in found} == {"none", "-1", "3"}
