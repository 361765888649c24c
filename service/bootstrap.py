"""The composition root: which adapter stands for which port is known only here."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from threading import Event

from gmm_engine.types import FloatArray
from migrations.runner import require_current
from service.domain.api_keys import DEFAULT_TENANT
from service.domain.census import Census
from service.domain.models import Trajectory
from service.ports import FitRepository, WebhookOutbox
from service.settings import Settings
from service.storage.api_keys import RedisApiKeyRepository
from service.storage.census import RedisCensus
from service.storage.connection import StoreClients
from service.storage.datasets import RedisDatasetRepository
from service.storage.errors import translate_redis_errors
from service.storage.fits import RedisFitRepository
from service.storage.idempotency import RedisIdempotencyRepository
from service.storage.mixtures import MixtureCache
from service.storage.models import RedisModelRepository
from service.storage.rate_limits import RedisRequestCounts
from service.storage.webhooks import RedisWebhookOutbox
from service.use_cases.api_keys import ApiKeyService, Gatekeeper
from service.use_cases.datasets import DatasetService
from service.use_cases.fits import FitService
from service.use_cases.idempotency import IdempotencyService
from service.use_cases.models import ModelService
from service.use_cases.queueing import QueueLimits
from service.use_cases.rate_limits import RateLimiter
from service.use_cases.renderings import RenderingService
from service.use_cases.running import FitRunner
from service.use_cases.services import Services
from service.worker.queue import RqFitQueue, n_workers

PROBE_SECONDS = 1.0
"""How long the store may take to tell how it is."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"


def new_id() -> str:
    """An id that nobody can guess: 120 random bits in 24 letters and digits."""
    return base64.b32encode(secrets.token_bytes(15)).decode().lower()


def random_letters(n: int) -> str:
    """Letters and digits that nobody can guess, of 5 bits each."""
    return "".join(secrets.choice(_LETTERS) for _ in range(n))


def new_seed() -> int:
    # Fits in the 53 bits that every JSON reader keeps.
    return secrets.randbelow(2**32)


def utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Probe:
    """Asks a store how it is, with connections of its own and little patience.

    Implements `service.ports.Readiness` and `service.ports.CensusTaker`.
    """

    url: str

    @cached_property
    def clients(self) -> StoreClients:
        return StoreClients(self.url, PROBE_SECONDS)

    def check(self) -> None:
        require_current(self.clients.ordinary)

    def take_census(self) -> Census:
        with translate_redis_errors():
            alive = n_workers(self.clients.ordinary)
        return RedisCensus(self.clients).take(alive)


@dataclass(frozen=True)
class Wiring:
    """Everything of one process, wired together; made before a fork, usable after."""

    settings: Settings
    url: str
    """Of the store."""
    stopping: Event = field(default_factory=Event)
    """Set when the process is about to end."""
    _services: dict[str, Services] = field(default_factory=dict)
    _mixtures: MixtureCache = field(default_factory=MixtureCache)

    @cached_property
    def clients(self) -> StoreClients:
        return StoreClients(self.url)

    @cached_property
    def probe(self) -> Probe:
        return Probe(self.url)

    def services_for(self, tenant: str) -> Services:
        if tenant not in self._services:
            self._services[tenant] = self._wire(tenant)
        return self._services[tenant]

    def runner_for(self, tenant: str) -> FitRunner:
        return FitRunner(self.fits_for(tenant), self._datasets(tenant), utc_now)

    def fits_for(self, tenant: str) -> FitRepository:
        settings = self.settings
        return RedisFitRepository(
            self.clients,
            tenant,
            _ttl(settings.fit_ttl_seconds),
            _ttl(settings.model_ttl_seconds),
            _ttl(settings.trajectory_ttl_seconds),
        )

    def outbox_for(self, tenant: str) -> WebhookOutbox:
        return RedisWebhookOutbox(self.clients, tenant)

    def tenants(self) -> Iterable[str]:
        """Every tenant that may have data: it had a key, or needed none."""
        return sorted({DEFAULT_TENANT, *self.api_keys.tenants()})

    @property
    def key_service(self) -> ApiKeyService:
        return ApiKeyService(self.api_keys, random_letters, utc_now)

    def gatekeeper(self, is_open: bool) -> Gatekeeper:
        return Gatekeeper(self.api_keys, utc_now, is_open)

    def rate_limiter(self) -> RateLimiter:
        counts = RedisRequestCounts(self.clients)
        return RateLimiter(counts, self.settings.rate_limit)

    @cached_property
    def api_keys(self) -> RedisApiKeyRepository:
        return RedisApiKeyRepository(self.clients)

    def check(self) -> None:
        """Raise StorageUnavailableError or SchemaMismatchError, or return."""
        require_current(self.clients.ordinary)

    def _wire(self, tenant: str) -> Services:
        datasets, fits = self._datasets(tenant), self.fits_for(tenant)
        settings = self.settings
        models = RedisModelRepository(
            self.clients,
            tenant,
            _ttl(settings.model_ttl_seconds),
            _ttl(settings.trajectory_ttl_seconds),
            self._mixtures,
        )
        queue = RqFitQueue(self.clients.ordinary, tenant)
        return Services(
            datasets=DatasetService(datasets, new_id, utc_now),
            fits=FitService(
                fits,
                datasets,
                queue,
                new_id,
                new_seed,
                utc_now,
                is_stopping=self.stopping.is_set,
                limits=QueueLimits(
                    of_all=settings.max_queued_fits,
                    of_tenant=settings.max_queued_fits_per_tenant,
                ),
            ),
            models=ModelService(models, new_id, utc_now),
            renderings=RenderingService(models, datasets, LateAnimation()),
            idempotency=IdempotencyService(self._reservations(tenant), new_id),
        )

    def _reservations(self, tenant: str) -> RedisIdempotencyRepository:
        return RedisIdempotencyRepository(
            self.clients,
            utc_now,
            tenant,
            timedelta(seconds=self.settings.idempotency_ttl_seconds),
            self.settings.max_idempotency_keys,
        )

    def _datasets(self, tenant: str) -> RedisDatasetRepository:
        ttl = _ttl(self.settings.dataset_ttl_seconds)
        return RedisDatasetRepository(self.clients, tenant, ttl)


class LateAnimation:
    """Implements `service.ports.AnimationRenderer`, and imports matplotlib when asked.

    It takes longer to import than all the rest together.
    """

    def render(
        self, trajectory: Trajectory, rows: FloatArray, columns: Sequence[str] | None
    ) -> bytes:
        from service.rendering import TrainingAnimation

        return TrainingAnimation().render(trajectory, rows, columns)


def _ttl(seconds: int) -> timedelta | None:
    return timedelta(seconds=seconds) if seconds else None
