"""The query parameters of lists."""

from __future__ import annotations

from service.api.fields import Text, Whole
from service.api.options import ApiOptions
from service.api.schemas.base import RequestSchema

_DEFAULT_ITEMS = 50


def page_request_schema(options: ApiOptions) -> RequestSchema:
    class PageRequestSchema(RequestSchema):
        limit = Whole(
            1,
            options.max_page_items,
            load_default=min(_DEFAULT_ITEMS, options.max_page_items),
            metadata={"description": "Items on the page."},
        )
        cursor = Text(
            r"^[A-Za-z0-9_.:=-]{1,200}$",
            "the `next` of the page before",
            metadata={"description": "`next` of the page before; opaque."},
        )

    return PageRequestSchema()
