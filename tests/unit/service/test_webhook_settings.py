"""Settings of webhooks, and that their secret is nowhere to be read."""

from __future__ import annotations

import logging
import os
from dataclasses import replace

import pytest
import structlog

from service.domain.webhook_targets import TargetRules
from service.logs import configure_logging
from service.settings import Settings, SettingsError
from tests.receiver import OTHER_SECRET, SECRET


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    for variable in list(os.environ):
        if variable.startswith("GMM_"):
            monkeypatch.delenv(variable)


def test_webhooks_are_off_and_strict_by_default():
    settings = Settings.from_environment()
    assert settings.webhook_secret is None
    assert settings.target_rules == TargetRules((443,), False, False)


def test_what_is_allowed_is_set_by_variables(monkeypatch):
    monkeypatch.setenv("GMM_WEBHOOK_SECRET", f"{SECRET},{OTHER_SECRET}")
    monkeypatch.setenv("GMM_WEBHOOK_PORTS", "443, 8443")
    monkeypatch.setenv("GMM_WEBHOOK_ALLOW_HTTP", "true")
    monkeypatch.setenv("GMM_WEBHOOK_ALLOW_PRIVATE", "1")
    settings = Settings.from_environment()
    assert settings.webhook_secret is not None
    assert settings.target_rules == TargetRules((443, 8443), True, True)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GMM_WEBHOOK_SECRET", SECRET[:-1]),
        ("GMM_WEBHOOK_SECRET", f"{SECRET} {OTHER_SECRET}"),
        ("GMM_WEBHOOK_PORTS", "https"),
        ("GMM_WEBHOOK_PORTS", "443,"),
        ("GMM_WEBHOOK_PORTS", "0"),
        ("GMM_WEBHOOK_PORTS", "65536"),
        ("GMM_WEBHOOK_ALLOW_HTTP", "perhaps"),
    ],
)
def test_a_bad_value_is_refused_and_a_secret_not_repeated(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable) as refusal:
        Settings.from_environment()
    assert SECRET[:-1] not in str(refusal.value)


def test_secrets_are_not_in_the_representation_of_the_settings():
    settings = replace(
        Settings(), webhook_secret=SECRET, redis_url="redis://:password@store"
    )
    assert SECRET not in repr(settings)
    assert "password" not in repr(settings)


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_a_logged_exception_shows_no_local_variables(capsys, log_format):
    handlers, level = logging.root.handlers, logging.root.level
    configure_logging(log_format, "info")
    secret = SECRET
    try:
        try:
            raise ValueError(f"of {len(secret)} letters")
        except ValueError:
            structlog.get_logger("test").exception("a mistake")
    finally:
        structlog.reset_defaults()
        logging.root.handlers = handlers
        logging.root.setLevel(level)
    logged = capsys.readouterr().err
    assert "of 38 letters" in logged
    assert SECRET not in logged
