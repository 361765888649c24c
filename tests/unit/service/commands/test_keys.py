from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import pytest

from service.bootstrap import Wiring
from service.commands import keys
from service.domain.api_keys import Scope
from service.errors import ApiKeyNotFoundError, InvalidRequestError
from service.settings import Settings


@pytest.fixture
def settings(store_url):
    return Settings(redis_url=store_url)


@pytest.fixture
def wiring(settings, store_url):
    wiring = Wiring(settings, store_url)
    yield wiring
    wiring.clients.close()


def create(settings, tenant="acme", scopes="read", name=None, expires=None):
    keys.create(settings, tenant, scopes, name, expires)


@pytest.mark.parametrize("scopes", ["read,all", "", "read,,fit", "READ", "read fit"])
def test_an_unknown_scope_is_told_with_those_there_are(settings, wiring, scopes):
    with pytest.raises(click.BadParameter, match="read, fit, delete, metrics, admin"):
        create(settings, scopes=scopes)
    assert wiring.api_keys.list() == []


@pytest.mark.parametrize(
    "expires", ["soon", "", "30", "d", "-3d", "9" * 30 + "d", "²d"]
)
def test_what_is_no_time_is_told_with_an_example(settings, wiring, expires):
    with pytest.raises(click.BadParameter, match="30d"):
        create(settings, expires=expires)
    assert wiring.api_keys.list() == []


@pytest.mark.parametrize("mistake", [{"expires": "2001-01-01"}, {"tenant": "A:b"}])
def test_a_time_that_is_over_and_a_bad_tenant_are_refused(settings, wiring, mistake):
    with pytest.raises(InvalidRequestError):
        create(settings, **mistake)
    assert not wiring.api_keys.are_required()


@pytest.mark.parametrize(
    ("expires", "expected"),
    [
        ("2040-01-31", datetime(2040, 1, 31, tzinfo=UTC)),
        ("2040-01-31T12:00:00+02:00", datetime(2040, 1, 31, 10, tzinfo=UTC)),
    ],
)
def test_a_date_is_meant_in_utc(settings, wiring, expires, expected):
    create(settings, expires=expires)
    (key,) = wiring.api_keys.list()
    assert key.expires_at == expected


@pytest.mark.parametrize(
    ("expires", "seconds"), [("90m", 5400), ("12h", 43200), ("30d", 2592000)]
)
def test_a_span_counts_from_now(settings, wiring, expires, seconds):
    create(settings, expires=expires)
    (key,) = wiring.api_keys.list()
    span = key.expires_at - key.created_at
    assert abs(span - timedelta(seconds=seconds)) < timedelta(seconds=5)


def test_the_key_is_all_that_is_on_stdout(settings, wiring, capsys):
    create(settings, scopes="read, fit")
    printed = capsys.readouterr()
    (key,) = wiring.api_keys.list()
    assert key.matches(printed.out.strip())
    assert key.scopes == {Scope.READ, Scope.FIT}
    assert printed.out.strip() not in printed.err


def test_a_key_that_is_not_there_cannot_be_revoked(settings):
    with pytest.raises(ApiKeyNotFoundError):
        keys.revoke(settings, "nowhere")


def test_keys_are_switched_off_but_stay(settings, wiring, capsys):
    create(settings)
    keys.stop_requiring(settings)
    assert not wiring.api_keys.are_required()
    assert len(wiring.api_keys.list()) == 1


def test_all_tenants_that_may_have_data_are_known_to_the_workers(settings, wiring):
    assert wiring.tenants() == ["default"]
    create(settings, "zeta")
    create(settings, "acme")
    assert wiring.tenants() == ["acme", "default", "zeta"]


def test_ids_of_fits_are_drawn_here_so_that_no_two_tenants_share_one(wiring):
    """The queue knows a job by its fit's id alone."""
    new_ids = [wiring.services_for(tenant).fits.new_id for tenant in ("a", "b")]
    drawn = [new_id() for new_id in new_ids for _ in range(1000)]
    assert len(set(drawn)) == len(drawn)
    assert all(len(fit_id) == 24 for fit_id in drawn)
