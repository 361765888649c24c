"""JSON by orjson: numpy arrays are written as they lie in memory."""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response
from flask.json.provider import JSONProvider


class OrjsonProvider(JSONProvider):
    """Writes and reads JSON for Flask. Infinities would become null: keep them out."""

    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return dump_json(obj).decode()

    def loads(self, s: str | bytes, **kwargs: Any) -> Any:
        return orjson.loads(s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        content = self._prepare_response_obj(args, kwargs)
        return Response(dump_json(content) + b"\n", mimetype="application/json")


def dump_json(value: object) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
