"""All settings: `GMM_*` variables of the environment, read and checked here alone.

The README's table is `gmm settings`, made from the same declarations.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from environs import Env, EnvError, ValidationError, validate

from service.domain.webhook_targets import TargetRules
from service.domain.webhooks import parse_secrets

Value = TypeVar("Value")

PREFIX = "GMM_"
# The test suite reads these, and children inherit them.
_FOREIGN_PREFIX = "GMM_TEST_"
# Beside what is run: a clone has its own data, and removing it removes them.
_STATE_DIR = Path("state")


class SettingsError(Exception):
    """A setting cannot be used; the message names its variable."""


def _setting(
    default: Value,
    meaning: str,
    *checks: Callable[[Any], Any],
    is_secret: bool = False,
) -> Value:
    # `field` is typed as returning the default; the cast of it is what we want.
    return field(
        default=default,
        # A secret is in no representation and in no message.
        repr=not is_secret,
        metadata={"meaning": meaning, "checks": checks},
    )


def _at_least(least: float) -> Callable[[Any], Any]:
    return validate.Range(min=least)


def _between(least: float, most: float) -> Callable[[Any], Any]:
    return validate.Range(min=least, max=most)


def _one_of(*choices: str) -> Callable[[Any], Any]:
    return validate.OneOf(choices, error="Must be one of: {choices}.")


def _store_url(url: str) -> None:
    if urlsplit(url).scheme not in ("redis", "rediss", "unix"):
        raise ValidationError(
            "Expected redis://host:port/0, rediss://… or unix:///path/to/socket."
        )


def _webhook_secrets(text: str) -> None:
    try:
        parse_secrets(text)
    except ValueError as error:
        raise ValidationError(str(error)) from None


def _ports(text: str) -> None:
    for word in text.split(","):
        if not (word.strip().isdecimal() and 0 < int(word) < 65536):
            raise ValidationError("Expected ports with commas between them: 443,8443.")


def _origins(text: str) -> None:
    for origin in text.split(","):
        parts = urlsplit(origin.strip())
        is_origin = parts.scheme in ("http", "https") and parts.netloc
        if not is_origin or origin.strip() != f"{parts.scheme}://{parts.netloc}":
            raise ValidationError(
                "Expected origins such as https://app.example:8443, with commas "
                "between them and no slash at their end."
            )


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one process; the defaults are those of a laptop."""

    host: str = _setting(
        "127.0.0.1", "Address the API listens on; `0.0.0.0` for every interface."
    )
    port: int = _setting(
        8000, "Port of the API; 0 takes a free one.", _between(0, 65535)
    )
    redis_url: str | None = _setting(
        None,
        "Store to use, `redis://host:6379/0`; empty: an embedded one is started.",
        _store_url,
        is_secret=True,  # it may hold a password
    )
    state_dir: Path = _setting(  # noqa: RUF009 (a field, as all of these)
        _STATE_DIR,
        "Folder of the embedded store's data, made when it is missing.",
    )
    workers: int = _setting(
        1,
        "Worker processes that `gmm serve` starts; each fits one at a time.",
        _between(0, 256),
    )
    api_threads: int = _setting(
        128,
        "Requests the API works on at once; who waits for its client does not count.",
        _between(2, 1024),
    )
    max_connections: int = _setting(
        2000, "Connections to the API that are open at once.", _between(16, 100_000)
    )
    log_format: str = _setting(
        "console",
        "`console` for people, `json` for machines: one object a line.",
        _one_of("console", "json"),
    )
    log_level: str = _setting(
        "info",
        "The least severe messages that are logged.",
        _one_of("debug", "info", "warning", "error"),
    )
    require_keys: bool = _setting(
        False,
        "Whether API keys are needed even before there is one; "
        "with `true` the API may listen on any address.",
    )
    rate_limit: int = _setting(
        6000,
        "Requests a minute of one key, or of one address without a key; 0: no limit.",
        _at_least(0),
    )
    cors_origins: str = _setting(
        "",
        "Origins whose pages may call the API, `https://a.example,…`; empty: none.",
        _origins,
    )
    max_body_bytes: int = _setting(
        256 << 20, "Largest request body, as it is sent.", _at_least(1024)
    )
    max_inflated_bytes: int = _setting(
        1 << 30,
        "Largest request body once its gzip encoding is undone.",
        _at_least(1024),
    )
    max_json_bytes: int = _setting(
        64 << 20,
        "Largest JSON body; it takes ten times that in memory.",
        _at_least(1024),
    )
    max_bodies_bytes: int = _setting(
        2 << 30,
        "Bytes of all bodies being answered at once, inflated, JSON counted tenfold.",
        _at_least(10240),
    )
    max_rows: int = _setting(5_000_000, "Most rows of a table.", _at_least(1))
    max_columns: int = _setting(1_000, "Most columns of a table.", _at_least(1))
    max_numbers: int = _setting(
        50_000_000, "Most numbers (rows times columns) of a table.", _at_least(1)
    )
    max_components: int = _setting(1_000, "Most components to ask for.", _at_least(1))
    max_iterations: int = _setting(100_000, "Largest `max_iter`.", _at_least(1))
    max_starts: int = _setting(1_000, "Largest `n_init`.", _at_least(1))
    max_samples: int = _setting(
        1_000_000, "Most rows to draw in one request.", _at_least(1)
    )
    max_wait_seconds: float = _setting(
        60.0, "Longest `?wait=` of a request for a fit.", _between(0, 600)
    )
    max_waiting: int = _setting(
        32, "Requests that wait at a time; more are answered at once.", _at_least(0)
    )
    max_event_streams: int = _setting(
        64, "Event streams open at once; each holds a thread of the API.", _at_least(0)
    )
    max_renderings: int = _setting(2, "Pictures drawn at a time.", _at_least(1))
    fit_time_limit_seconds: float = _setting(
        3600.0,
        "Longest time of one attempt of a fit, but for waiting for the store; "
        "0: no limit.",
        _at_least(0),
    )
    fit_memory_limit_bytes: int = _setting(
        0,
        "Most memory that a fit takes, the data included; 0: no limit.",
        _at_least(0),
    )
    dataset_ttl_seconds: int = _setting(
        0,
        "How long a dataset is kept after its upload or last submitted fit; "
        "0: for ever.",
        _at_least(0),
    )
    fit_ttl_seconds: int = _setting(
        0,
        "How long the record of a fit is kept after its end; 0: for ever.",
        _at_least(0),
    )
    model_ttl_seconds: int = _setting(
        0, "How long a model is kept; 0: until it is deleted.", _at_least(0)
    )
    trajectory_ttl_seconds: int = _setting(
        0,
        "How long the training of a model can be shown; 0: as long as it is kept.",
        _at_least(0),
    )
    idempotency_ttl_seconds: int = _setting(
        86_400, "How long an `Idempotency-Key` is remembered.", _at_least(1)
    )
    max_idempotency_keys: int = _setting(
        10_000,
        "Most keys of a tenant that are remembered; the oldest are forgotten.",
        _at_least(1),
    )
    max_queued_fits: int = _setting(
        1_000, "Most fits that wait for a worker; 0: no limit.", _at_least(0)
    )
    max_queued_fits_per_tenant: int = _setting(
        500, "Most of them that are of one tenant; 0: no limit.", _at_least(0)
    )
    webhook_secret: str | None = _setting(
        None,
        "Switches webhooks on and signs them: `whsec_…`; two with a comma between "
        "them while one replaces the other.",
        _webhook_secrets,
        is_secret=True,
    )
    webhook_ports: str = _setting(
        "443", "Ports that webhooks may go to, with commas between them.", _ports
    )
    webhook_allow_http: bool = _setting(
        False, "Whether webhooks may go to `http://` URLs, without encryption."
    )
    webhook_allow_private: bool = _setting(
        False,
        "Whether webhooks may go to addresses that are not public: this machine, "
        "this network.",
    )

    @property
    def target_rules(self) -> TargetRules:
        """Where webhooks may go."""
        return TargetRules(
            ports=tuple(int(port) for port in self.webhook_ports.split(",")),
            allow_http=self.webhook_allow_http,
            allow_private=self.webhook_allow_private,
        )

    @property
    def origins(self) -> tuple[str, ...]:
        """Those of `cors_origins`, as a browser spells them."""
        words = self.cors_origins.lower().split(",")
        return tuple(word.strip() for word in words if word.strip())

    @classmethod
    def from_environment(cls) -> Settings:
        """Read and check every setting; SettingsError names the first bad one."""
        _refuse_unknown()
        settings = cls(**{name: _read(name) for name in _declared() if _is_set(name)})
        _check_together(settings)
        return settings


def as_markdown() -> str:
    """The table of all settings, as the README shows it."""
    rows = ["| variable | default | meaning |", "|---|---|---|"]
    for declared in _declared().values():
        shown = _shown(declared.default)
        shown = f"`{shown}`" if shown else ""
        meaning = declared.metadata["meaning"]
        rows.append(f"| `{_variable(declared.name)}` | {shown} | {meaning} |")
    return "\n".join(rows)


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, float):
        return f"{default:g}"
    return "" if default is None else str(default)


def _declared() -> dict[str, Any]:
    return {declared.name: declared for declared in fields(Settings)}


def _variable(name: str) -> str:
    return PREFIX + name.upper()


def _is_set(name: str) -> bool:
    # Compose files and shells pass unset variables on as empty ones.
    return bool(os.environ.get(_variable(name)))


def _read(name: str) -> Any:
    declared = _declared()[name]
    env = Env()
    parsers: dict[type, Callable[..., Any]] = {
        bool: env.bool,
        int: env.int,
        float: env.float,
        type(_STATE_DIR): env.path,
    }
    parse = parsers.get(type(declared.default), env.str)
    variable = _variable(name)
    try:
        return parse(variable, validate=list(declared.metadata["checks"]))
    except EnvError as error:
        # environs: 'Environment variable "X" invalid: ['Not a valid integer.']'
        reason = str(error).partition(" invalid: ")[2].strip("[]'\"") or str(error)
        shown = f" is {os.environ[variable]!r}" if declared.repr else ""
        raise SettingsError(f"{variable}{shown}: {reason}") from error


def _refuse_unknown() -> None:
    known = [_variable(name) for name in _declared()]
    for variable in sorted(os.environ):
        foreign = not variable.startswith(PREFIX) or variable.startswith(
            _FOREIGN_PREFIX
        )
        if foreign or variable in known:
            continue
        close = difflib.get_close_matches(variable, known, n=1)
        hint = f"did you mean {close[0]}?" if close else "`gmm settings` lists all."
        raise SettingsError(f"There is no setting {variable}; {hint}")


def _check_together(settings: Settings) -> None:
    held = settings.max_event_streams + settings.max_waiting + settings.max_renderings
    if held >= settings.api_threads:
        raise SettingsError(
            f"GMM_API_THREADS is {settings.api_threads}, but GMM_MAX_EVENT_STREAMS, "
            f"GMM_MAX_WAITING and GMM_MAX_RENDERINGS allow to hold {held} threads at "
            "once: allow more threads, or fewer of those."
        )
