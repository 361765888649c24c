"""Fields of requests and answers.

Those of requests are strict: no numbers in strings, no booleans for numbers, and
each says in one sentence what was expected, what came and what to do. Matrices pass
through as they are; marshmallow never sees their numbers.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
from marshmallow import ValidationError, fields

from gmm_engine import FitStatus
from gmm_engine.covariance import STRUCTURES
from service.api.numbers import check_numbers
from service.api.wording import shown
from service.domain.tables import Table
from service.errors import InvalidRequestError
from service.tables import TableLimits, table_from_json

_WHOLE = re.compile(r"-?[0-9]{1,30}", re.ASCII)
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]*)?([eE][-+]?[0-9]{1,4})?", re.ASCII)
_NAME_PATTERN = r"^[^\x00-\x1f\x7f]{1,200}$"
_NAME_WORDS = "a name of 1 to 200 printable characters"

COVARIANCE_TYPES = [s.name for s in STRUCTURES] + [s.code for s in STRUCTURES]
"""Our words, and mclust's codes for the same."""

_ID_PATTERN = "^[A-Za-z0-9_-]{1,64}$"


class Whole(fields.Integer):
    """A whole number within bounds; 3.0 counts as 3, as in JSON Schema."""

    def __init__(self, least: int, most: int, **kwargs: Any) -> None:
        metadata = {"minimum": least, "maximum": most} | kwargs.pop("metadata", {})
        super().__init__(metadata=metadata, **kwargs)
        self.least, self.most = least, most

    def _deserialize(
        self,
        value: Any,
        attr: str | None,
        data: Mapping[str, Any] | None,
        **kwargs: Any,
    ) -> int:
        if type(value) is float and value.is_integer():
            value = int(value)
        if type(value) is not int or not self.least <= value <= self.most:
            raise ValidationError(
                f"{attr} is {shown(value)}; give a whole number from {self.least} to "
                f"{self.most}."
            )
        return value

    @staticmethod
    def from_text(text: str) -> object:
        return int(text) if _WHOLE.fullmatch(text) else text


class Number(fields.Float):
    """A finite number within bounds."""

    def __init__(self, least: float, most: float, **kwargs: Any) -> None:
        metadata = {"minimum": least, "maximum": most} | kwargs.pop("metadata", {})
        super().__init__(metadata=metadata, **kwargs)
        self.least, self.most = least, most

    def _deserialize(
        self,
        value: Any,
        attr: str | None,
        data: Mapping[str, Any] | None,
        **kwargs: Any,
    ) -> float:
        if type(value) not in (int, float) or not self.least <= value <= self.most:
            raise ValidationError(
                f"{attr} is {shown(value)}; give a number from {self.least:g} to "
                f"{self.most:g}."
            )
        return float(value)

    @staticmethod
    def from_text(text: str) -> object:
        return float(text) if _DECIMAL.fullmatch(text) else text


class Flag(fields.Boolean):
    """True or false, in these words."""

    def _deserialize(
        self,
        value: Any,
        attr: str | None,
        data: Mapping[str, Any] | None,
        **kwargs: Any,
    ) -> bool:
        if type(value) is not bool:
            raise ValidationError(f"{attr} is {shown(value)}; give true or false.")
        return value

    @staticmethod
    def from_text(text: str) -> object:
        return {"true": True, "false": False}.get(text, text)


class Choice(fields.String):
    """One of a few words."""

    def __init__(self, choices: Sequence[str], **kwargs: Any) -> None:
        metadata = {"enum": list(choices)} | kwargs.pop("metadata", {})
        super().__init__(metadata=metadata, **kwargs)
        self.choices = tuple(choices)

    def _deserialize(
        self,
        value: Any,
        attr: str | None,
        data: Mapping[str, Any] | None,
        **kwargs: Any,
    ) -> str:
        if not isinstance(value, str) or value not in self.choices:
            raise ValidationError(
                f"{attr} is {shown(value)}; give one of {', '.join(self.choices)}."
            )
        return value


class Text(fields.String):
    """A string of a pattern that the message puts in words."""

    def __init__(self, pattern: str, words: str, **kwargs: Any) -> None:
        metadata = {"pattern": pattern} | kwargs.pop("metadata", {})
        super().__init__(metadata=metadata, **kwargs)
        self.pattern, self.words = re.compile(pattern), words

    def _deserialize(
        self,
        value: Any,
        attr: str | None,
        data: Mapping[str, Any] | None,
        **kwargs: Any,
    ) -> str:
        if not isinstance(value, str) or not self.pattern.fullmatch(value):
            raise ValidationError(f"{attr} is {shown(value)}; give {self.words}.")
        return value


class ColumnNames(fields.List[str]):
    """Names of columns, one for each; none of them may be missing."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(Text(_NAME_PATTERN, _NAME_WORDS), **kwargs)

    def _deserialize(
        self,
        value: Any,
        attr: str | None,
        data: Mapping[str, Any] | None,
        **kwargs: Any,
    ) -> list[str | None]:
        if not isinstance(value, list):
            raise ValidationError(f"{attr} is {shown(value)}; give a list of names.")
        mistakes: dict[int, list[str]] = {}
        for index, name in enumerate(value):
            if not isinstance(name, str) or not re.fullmatch(_NAME_PATTERN, name):
                mistakes[index] = [f"The name is {shown(name)}; give {_NAME_WORDS}."]
        if mistakes:
            raise ValidationError(mistakes)
        return value


def name_field(**kwargs: Any) -> Text:
    words = f"{_NAME_WORDS}, or leave it out"
    return Text(_NAME_PATTERN, words, allow_none=True, **kwargs)


def covariance_type_field() -> Choice:
    description = "The structure of the covariances, also by mclust's code."
    metadata = {"description": description, "default": "full"}
    return Choice(COVARIANCE_TYPES, metadata=metadata)


def fit_status_field(description: str) -> fields.String:
    words: list[str | None] = [status.name.lower() for status in FitStatus]
    metadata = {"description": description, "enum": [*words, None]}
    return fields.String(allow_none=True, metadata=metadata)


def id_field(**kwargs: Any) -> Text:
    return Text(_ID_PATTERN, "an id as this service returned it", **kwargs)


class Rows(fields.Field[Table]):
    """The rows of a table, in JSON or already read from another format."""

    def __init__(self, limits: TableLimits, **kwargs: Any) -> None:
        metadata = array_schema(2) | kwargs.pop("metadata", {})
        super().__init__(metadata=metadata, **kwargs)
        self.limits = limits

    def _deserialize(
        self,
        value: Any,
        attr: str | None,
        data: Mapping[str, Any] | None,
        **kwargs: Any,
    ) -> Table:
        if isinstance(value, Table):
            return value
        names = (data or {}).get("columns")
        if not isinstance(names, list) or not all(isinstance(n, str) for n in names):
            # Another field says what is wrong with them.
            names = []
        return table_from_json(value, self.limits, f"/{attr}", names)


class Numbers(fields.Field[Any]):
    """An array of numbers: nested lists of finite numbers in, a numpy array out."""

    def __init__(self, *dimensions: int, **kwargs: Any) -> None:
        shapes = [array_schema(d) for d in dimensions]
        shape = shapes[0] if len(shapes) == 1 else {"anyOf": shapes}
        super().__init__(metadata=shape | kwargs.pop("metadata", {}), **kwargs)
        self.dimensions = dimensions

    def _serialize(
        self, value: Any, attr: str | None, obj: Any, **kwargs: Any
    ) -> np.ndarray[Any, Any]:
        return np.ascontiguousarray(value)

    def _deserialize(
        self,
        value: Any,
        attr: str | None,
        data: Mapping[str, Any] | None,
        **kwargs: Any,
    ) -> Any:
        place = check_numbers(value, f"/{attr}", self.dimensions)
        if place is not None:
            raise InvalidRequestError(place.detail, [place])
        return value


def array_schema(dimensions: int) -> dict[str, Any]:
    if dimensions == 0:
        return {"type": "number"}
    return {"type": "array", "minItems": 1, "items": array_schema(dimensions - 1)}


class Timestamp(fields.Field[datetime]):
    """A time in RFC 3339, UTC, with a Z."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {"type": "string", "format": "date-time"}
        super().__init__(metadata=metadata | kwargs.pop("metadata", {}), **kwargs)

    def _serialize(
        self, value: datetime | None, attr: str | None, obj: Any, **kwargs: Any
    ) -> str | None:
        if value is None:
            return None
        utc = value.astimezone(UTC).replace(tzinfo=None)
        return f"{utc.isoformat(timespec='milliseconds')}Z"


class Finite(fields.Float):
    """A number, or null where it is infinite: JSON has no infinity."""

    def _serialize(
        self, value: Any, attr: str | None, obj: Any, **kwargs: Any
    ) -> float | None:
        return value if value is not None and math.isfinite(value) else None
