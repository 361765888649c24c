from __future__ import annotations

import os
from pathlib import Path

import pytest

from service.settings import Settings, SettingsError, as_markdown


@pytest.fixture(autouse=True)
def no_settings(monkeypatch):
    """None of the settings of whoever runs the tests."""
    for variable in list(os.environ):
        if variable.startswith("GMM_"):
            monkeypatch.delenv(variable)


def test_without_variables_the_settings_are_the_defaults():
    assert Settings.from_environment() == Settings()


def test_a_variable_sets_its_setting(monkeypatch):
    monkeypatch.setenv("GMM_PORT", "9000")
    monkeypatch.setenv("GMM_STATE_DIR", "/var/lib/gmm")
    monkeypatch.setenv("GMM_FIT_TIME_LIMIT_SECONDS", "1.5")
    monkeypatch.setenv("GMM_REDIS_URL", "redis://store:6379/0")
    settings = Settings.from_environment()
    assert settings.port == 9000
    assert settings.state_dir == Path("/var/lib/gmm")
    assert settings.fit_time_limit_seconds == 1.5
    assert settings.redis_url == "redis://store:6379/0"


def test_an_empty_variable_is_one_that_is_not_set(monkeypatch):
    monkeypatch.setenv("GMM_REDIS_URL", "")
    monkeypatch.setenv("GMM_PORT", "")
    assert Settings.from_environment() == Settings()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("GMM_PORT", "http"),
        ("GMM_PORT", "70000"),
        ("GMM_WORKERS", "-1"),
        ("GMM_WORKERS", "1.5"),
        ("GMM_LOG_FORMAT", "xml"),
        ("GMM_REDIS_URL", "http://store"),
        ("GMM_MAX_WAIT_SECONDS", "nan"),
        ("GMM_REQUIRE_KEYS", "perhaps"),
        ("GMM_RATE_LIMIT", "-1"),
        ("GMM_CORS_ORIGINS", "*"),
        ("GMM_CORS_ORIGINS", "app.example"),
        ("GMM_CORS_ORIGINS", "https://app.example/"),
        ("GMM_CORS_ORIGINS", "https://app.example,,"),
        ("GMM_FIT_TIME_LIMIT_SECONDS", "inf"),
        ("GMM_MAX_EVENT_STREAMS", "128"),
    ],
)
def test_a_bad_value_is_refused_by_the_name_of_its_variable(
    monkeypatch, variable, value
):
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable):
        Settings.from_environment()


def test_the_address_of_a_store_is_not_repeated(monkeypatch):
    monkeypatch.setenv("GMM_REDIS_URL", "https://:secret@store")
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment()
    assert "secret" not in str(caught.value)


def test_an_unknown_variable_is_refused_with_the_closest_known_one(monkeypatch):
    monkeypatch.setenv("GMM_PROT", "9000")
    with pytest.raises(SettingsError, match="did you mean GMM_PORT"):
        Settings.from_environment()


def test_variables_of_the_test_suite_are_let_alone(monkeypatch):
    monkeypatch.setenv("GMM_TEST_REQUIRE_ALL", "1")
    assert Settings.from_environment() == Settings()


def test_the_table_has_a_line_for_each_setting():
    lines = as_markdown().splitlines()[2:]
    assert [line.split("`")[1] for line in lines] == [
        f"GMM_{name.upper()}" for name in Settings.__dataclass_fields__
    ]
    assert "| `GMM_PORT` | `8000` | Port of the API; 0 takes a free one. |" in lines


def test_origins_are_compared_as_browsers_spell_them(monkeypatch):
    monkeypatch.setenv("GMM_CORS_ORIGINS", "https://App.example, http://b.example:81")
    settings = Settings.from_environment()
    assert settings.origins == ("https://app.example", "http://b.example:81")
