"""Every text of a merged configuration, with its place."""

from collections.abc import Iterator, Mapping
from typing import Any

from talos.config import retired, schema
from talos.config.schema import Path


def texts(tree: Mapping[str, Any]) -> Iterator[tuple[Path, str, bool]]:
    """Yield every text of a setting, with its place, and whether it is a retired secret that ends.

    What has another type than its setting is left to the schema, and so are members that it does
    not know: their names may be anything.
    """
    for setting in schema.settings().values():
        value: Any = tree
        for name in setting.parts:
            value = value.get(name) if isinstance(value, Mapping) else None
        if isinstance(value, str):
            yield setting.parts, value, False
        for index, item in enumerate(value) if isinstance(value, list) else ():
            place: Path = (*setting.parts, index)
            if isinstance(item, str):
                yield place, item, False
            elif setting.retirement:
                for entry in retired.usable((item,)):
                    ends = setting.secret and entry.expires_at_ns is not None
                    yield (*place, "value"), entry.value, ends
            elif isinstance(item, Mapping):
                for name in (schema.at(place) or {}).get("properties", {}):
                    if isinstance(item.get(name), str):
                        yield (*place, name), item[name], False
