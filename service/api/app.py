"""The Flask app: everything the API is, put together; nothing global."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from flask import Flask, Request, Response
from flask.sessions import NullSession, SessionInterface
from prometheus_client import CollectorRegistry

from service.api.access import Access, register_access
from service.api.cors import register_cors
from service.api.datasets import datasets_blueprint
from service.api.docs import docs_blueprint
from service.api.drains import register_drains
from service.api.events import EventStreams
from service.api.fits import fits_blueprint
from service.api.headers import register_security_headers
from service.api.health import health_blueprint
from service.api.idempotency import register_idempotency
from service.api.json import OrjsonProvider
from service.api.memory import register_body_memory
from service.api.metrics import CensusMetrics, RequestMetrics, metrics_blueprint
from service.api.models import models_blueprint
from service.api.openapi import Api
from service.api.options import ApiOptions
from service.api.problems import register_problem_handlers
from service.api.queries import queries_blueprint
from service.api.renderings import renderings_blueprint
from service.api.request_ids import register_request_ids
from service.api.site import site_blueprint
from service.ports import CensusTaker, Readiness
from service.use_cases.services import Services


class _NoSessions(SessionInterface):
    """No request has a session: nothing to look for in cookies, nothing to keep."""

    def __init__(self) -> None:
        self._none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return self._none


class _App(Flask):
    """Flask without what nothing here needs, and what it would look for each time.

    That is async functions, sessions, and hooks of single blueprints.
    """

    session_interface = _NoSessions()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func

    def preprocess_request(self) -> Any:
        for hook in self.before_request_funcs.get(None, ()):
            answer = hook()
            if answer is not None:
                return answer
        return None

    def process_response(self, response: Response) -> Response:
        for hook in reversed(self.after_request_funcs.get(None, ())):
            # None is async.
            response = cast("Response", hook(response))
        return response

    def has_hooks_of_blueprints(self) -> bool:
        """Whether there are hooks that would not be called."""
        hooks = (
            self.before_request_funcs,
            self.after_request_funcs,
            self.url_value_preprocessors,
        )
        return any(name is not None for each in hooks for name in each)


def create_app(
    services: Callable[[], Services],
    readiness: Readiness,
    options: ApiOptions | None = None,
    access: Access | None = None,
    census: CensusTaker | None = None,
) -> Flask:
    """Return the app; `services` is asked in each request for those of its tenant.

    Without a census the metrics are those of requests alone.
    """
    options, access = options or ApiOptions(), access or Access()
    app = _App("service.api", static_folder=None)
    app.json = OrjsonProvider(app)
    # A redirect would be an HTML page; such a path is simply not there.
    app.url_map.merge_slashes = False
    registry = CollectorRegistry()
    metrics = RequestMetrics(registry)
    if census is not None:
        registry.register(CensusMetrics(census))
    streams = EventStreams(options.max_event_streams)
    app.extensions["event_streams"] = streams

    # After a request these run in reverse: what is logged and counted comes last.
    metrics.register(app)
    register_request_ids(app)
    register_cors(app, access.cors_origins)
    register_security_headers(app)
    register_access(app, access)
    register_body_memory(app, options)
    register_drains(app, options)
    register_idempotency(app)
    register_problem_handlers(app)

    api = Api(app)
    for blueprint in (
        datasets_blueprint(services, options),
        fits_blueprint(services, options, streams),
        models_blueprint(services, options),
        queries_blueprint(services, options),
        renderings_blueprint(services, options),
        health_blueprint(readiness, options),
        metrics_blueprint(metrics, options),
        docs_blueprint(options),
    ):
        api.register_blueprint(blueprint)
    app.register_blueprint(site_blueprint())
    assert not app.has_hooks_of_blueprints()
    return app


def close_event_streams(app: Flask) -> None:
    """End all open event streams soon, so that the server can stop."""
    streams: EventStreams = app.extensions["event_streams"]
    streams.close()
