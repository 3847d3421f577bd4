"""Sessions, their tokens and the second factor over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial

import pyotp
import pytest
from fastapi.testclient import TestClient

from commenda.identity import http as routes
from commenda.identity.sessions import GRACE, LIFETIME, LONGEST_LIFETIME, forget_expired
from commenda.kit.db import Database
from identity_steps import (
    API,
    PASSWORD,
    Authenticator,
    Wall,
    alive,
    bearer,
    events,
    joined,
    login,
    proved,
    refresh,
    rows,
)
from world import in_threads


@pytest.fixture(autouse=True)
def wall(monkeypatch: pytest.MonkeyPatch, client: TestClient) -> Wall:
    """Wall time to be moved; and what ended is known to the gate at once, not within a second."""
    made = Wall()
    monkeypatch.setattr(routes, "wall_now", made.now)
    client.app.state.gate.refresh_seconds = 0  # type: ignore[attr-defined]
    return made


def test_a_refresh_gives_a_new_pair_and_takes_the_old_token(client: TestClient) -> None:
    signed = joined(client)
    again = refresh(client, signed["refreshToken"])
    assert again.status_code == 200
    assert again.json()["refreshToken"] != signed["refreshToken"]
    assert alive(client, bearer(again.json()))
    assert refresh(client, again.json()["refreshToken"]).status_code == 200


def test_a_token_that_was_never_issued_is_refused(client: TestClient) -> None:
    for token in ("nonsense", "\x00", "é"):
        answer = refresh(client, token)
        assert (answer.status_code, answer.json()["code"]) == (401, "bad_refresh_token")


def test_a_refresh_token_used_again_ends_the_session_everywhere(
    client: TestClient, db: Database, wall: Wall
) -> None:
    stolen = joined(client)["refreshToken"]
    thief = refresh(client, stolen).json()
    wall(GRACE + timedelta(seconds=1))
    answer = refresh(client, stolen)
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_refresh_token")
    assert not alive(client, bearer(thief))
    assert refresh(client, thief["refreshToken"]).status_code == 401
    assert [result for _, result in events(db, "session.token_reused")] == ["ended"]
    assert rows(db, "SELECT end_reason FROM sessions") == [("refresh token used again",)]


def test_of_two_tabs_that_refresh_at_once_one_wins_and_the_session_lives(
    client: TestClient, db: Database
) -> None:
    signed = joined(client)
    answers = in_threads(*[partial(refresh, client, signed["refreshToken"])] * 10)
    assert sorted(a.status_code for a in answers) == [200] + [409] * 9
    assert {a.json()["code"] for a in answers if a.status_code == 409} == {"refresh_superseded"}
    (winner,) = [a.json() for a in answers if a.status_code == 200]
    assert alive(client, bearer(winner))
    assert refresh(client, winner["refreshToken"]).status_code == 200
    assert events(db, "session.token_reused") == []


def test_a_session_slides_by_thirty_days_and_ends_after_ninety(
    client: TestClient, wall: Wall, db: Database
) -> None:
    token = joined(client)["refreshToken"]
    assert (LIFETIME.days, LONGEST_LIFETIME.days) == (30, 90)
    for _ in range(3):
        wall(timedelta(days=29))
        answer = refresh(client, token)
        assert answer.status_code == 200
        token = answer.json()["refreshToken"]
    wall(timedelta(days=4))  # the 91st day, four days after the last refresh
    assert refresh(client, token).status_code == 401
    assert len(rows(db, "SELECT 1 FROM used_refresh_tokens")) == 3
    with db.transaction() as tx:
        assert forget_expired(tx, datetime.now(UTC) + timedelta(days=91)) == 3


def test_a_session_not_refreshed_for_thirty_days_is_over(client: TestClient, wall: Wall) -> None:
    token = joined(client)["refreshToken"]
    wall(timedelta(days=30, seconds=1))
    assert refresh(client, token).status_code == 401


def test_who_signs_out_is_out(client: TestClient) -> None:
    signed = joined(client)
    assert client.post(f"{API}/auth/logout", headers=bearer(signed)).status_code == 204
    assert not alive(client, bearer(signed))
    assert refresh(client, signed["refreshToken"]).status_code == 401


def test_a_session_that_ended_by_a_slower_clock_is_over(client: TestClient, db: Database) -> None:
    signed = joined(client)
    with db.transaction() as tx:  # the database's clock goes by another machine than the token's
        tx.execute("UPDATE sessions SET ended_at = clock_timestamp() - interval '16 minutes'")
    assert not alive(client, bearer(signed))


def test_a_session_is_ended_from_another_one_and_not_by_anybody_else(client: TestClient) -> None:
    here, lost = joined(client, "ada"), login(client, "ada").json()
    eve = joined(client, "eve")
    listed = client.get(f"{API}/auth/sessions", headers=bearer(here)).json()
    assert [one["current"] for one in listed].count(True) == 1
    (other,) = [one["id"] for one in listed if not one["current"]]
    by_eve = client.delete(f"{API}/auth/sessions/{other}", headers=bearer(eve))
    assert (by_eve.status_code, by_eve.json()["code"]) == (404, "unknown_session")
    path = f"{API}/auth/sessions/{other}"
    assert client.delete(path, headers=bearer(here)).status_code == 204
    assert not alive(client, bearer(lost))
    assert alive(client, bearer(here))
    assert client.delete(path, headers=bearer(here)).status_code == 404


def test_a_confirmed_second_factor_is_needed_from_then_on(client: TestClient) -> None:
    signed = joined(client)
    phone = Authenticator(client, signed)
    assert phone.uri.startswith("otpauth://totp/Commenda:ada?secret=" + phone.secret)
    assert not alive(client, bearer(signed)), "the session before it has ended"
    me = client.get(f"{API}/auth/me", headers=bearer(phone.signed)).json()
    assert (me["secondFactor"], me["sessionSecondFactor"]) == (True, True)
    missing = login(client)
    assert (missing.status_code, missing.json()["code"]) == (401, "second_factor_needed")
    with_it = login(client, totpCode=phone.code())
    assert with_it.status_code == 200
    me = client.get(f"{API}/auth/me", headers=bearer(with_it.json())).json()
    assert me["sessionSecondFactor"] is True


def test_a_set_up_that_was_not_confirmed_changes_nothing(client: TestClient) -> None:
    signed = joined(client)
    begun = client.post(f"{API}/auth/totp", headers=proved(client, signed))
    assert begun.status_code == 200
    wrong = client.post(f"{API}/auth/totp/confirm", headers=bearer(signed), json={"code": "000000"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "wrong_code")
    assert login(client).status_code == 200


def test_a_code_is_taken_once(client: TestClient) -> None:
    phone = Authenticator(client, joined(client))
    code = phone.code()
    answers = in_threads(*[partial(login, client, totpCode=code)] * 4)
    assert sorted(a.status_code for a in answers) == [200, 401, 401, 401]
    assert login(client, totpCode=phone.code(-1)).status_code == 401, "nor an older one"
    assert login(client, totpCode=phone.code(1)).status_code == 200


def test_a_code_of_two_steps_away_is_refused(client: TestClient) -> None:
    phone = Authenticator(client, joined(client))
    assert login(client, totpCode=phone.code(3)).status_code == 401


def test_codes_cannot_be_guessed_by_who_knows_the_password(client: TestClient) -> None:
    phone = Authenticator(client, joined(client))
    wrong = {"000000", "111111", "222222", "333333"} - {phone.code(n) for n in (-1, 0, 1)}
    code = wrong.pop()
    for _ in range(6):
        assert login(client).json()["code"] in ("second_factor_needed", "too_many_requests")
        assert login(client, totpCode=code).status_code == 401
    assert login(client, totpCode=code).status_code == 429


def test_a_stolen_session_cannot_guess_the_code_that_proves_its_owner(client: TestClient) -> None:
    phone = Authenticator(client, joined(client))
    codes = [f"{n:06d}" for n in range(12) if f"{n:06d}" not in map(phone.code, (-1, 0, 1))]
    body = {"password": PASSWORD}
    answers = [
        client.post(
            f"{API}/auth/proof", json=body | {"totpCode": code}, headers=bearer(phone.signed)
        ).status_code
        for code in codes[:7]
    ]
    assert answers == [422] * 6 + [429]


def test_removing_the_second_factor_needs_password_and_code_and_ends_every_session(
    client: TestClient, db: Database
) -> None:
    phone = Authenticator(client, joined(client))
    path = f"{API}/auth/totp"
    bare = client.delete(path, params={"code": phone.code()}, headers=bearer(phone.signed))
    assert (bare.status_code, bare.json()["code"]) == (403, "proof_needed")
    assert client.delete(path, headers=phone.proved()).status_code == 204
    assert not alive(client, bearer(phone.signed))
    assert login(client).status_code == 200
    assert rows(db, "SELECT * FROM recovery_codes") == []


def test_a_second_factor_is_replaced_by_who_has_the_old_one(client: TestClient, wall: Wall) -> None:
    old = Authenticator(client, joined(client))
    body = {"password": PASSWORD}
    weak = client.post(f"{API}/auth/proof", json=body, headers=bearer(old.signed))
    assert (weak.status_code, weak.json()["code"]) == (401, "second_factor_needed")
    begun = client.post(f"{API}/auth/totp", headers=old.proved())
    assert begun.status_code == 200
    wall(timedelta(seconds=30))
    assert login(client, totpCode=old.code()).status_code == 200, "the old one counts until then"
    code = pyotp.TOTP(begun.json()["secret"]).at(wall.now())
    confirmed = client.post(
        f"{API}/auth/totp/confirm", headers=bearer(old.signed), json={"code": code}
    )
    assert confirmed.status_code == 200
    assert not alive(client, bearer(old.signed))
    wall(timedelta(seconds=30))
    assert login(client, totpCode=old.code()).status_code == 401
    now = pyotp.TOTP(begun.json()["secret"]).at(wall.now())
    assert login(client, totpCode=now).status_code == 200


def test_a_recovery_code_stands_in_for_the_factor_once(client: TestClient, db: Database) -> None:
    phone = Authenticator(client, joined(client))
    codes = phone.recovery_codes
    assert len(set(codes)) == 10
    stored = str(rows(db, "SELECT encode(code_hash, 'escape') FROM recovery_codes"))
    assert not [code for code in codes if code in stored or code.replace("-", "") in stored]
    answers = in_threads(*[partial(login, client, recoveryCode=codes[0])] * 4)
    assert sorted(a.status_code for a in answers) == [200, 401, 401, 401]
    as_typed = codes[1].upper().replace("-", " ")
    assert login(client, recoveryCode=as_typed).status_code == 200
    # With one of them somebody whose phone is lost sets up another, and the others count no more.
    headers = proved(client, phone.signed, recoveryCode=codes[2])
    made = client.post(f"{API}/auth/recovery-codes", headers=headers)
    assert made.status_code == 200
    assert login(client, recoveryCode=codes[3]).status_code == 401
    assert login(client, recoveryCode=made.json()["recoveryCodes"][3]).status_code == 200


def test_recovery_codes_cannot_be_guessed(client: TestClient) -> None:
    Authenticator(client, joined(client))
    guesses = [login(client, recoveryCode=f"aaaa-aaaa-aaaa-aaa{n}").status_code for n in range(7)]
    assert guesses == [401] * 6 + [429]
