"""The API description as one HTML page, without scripts and without anything to fetch.

The policy that every answer carries (contract 2.2) allows styles in the page and nothing from
elsewhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any, Final

_STYLE: Final = """
:root { color-scheme: light dark; --line: #8884; --faint: #8882; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }
code { font: 14px/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
h2 { border-bottom: 1px solid var(--line); margin-top: 2.5rem; padding-bottom: .25rem; }
details { border: 1px solid var(--line); border-radius: 4px; margin: .5rem 0; }
summary { cursor: pointer; padding: .5rem .75rem; }
summary code { margin-right: .5rem; }
.method { display: inline-block; font-weight: 600; min-width: 4rem; text-transform: uppercase; }
.inside { border-top: 1px solid var(--line); padding: .25rem .75rem .75rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--faint); padding: .25rem .5rem .25rem 0; text-align: left;
  vertical-align: top; }
"""


def render(document: Mapping[str, Any]) -> str:
    """Return the page for an OpenAPI document of this server."""
    info = document["info"]
    return "".join(
        (
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            f"<title>{_text(info['title'])} {_text(info['version'])}</title>\n",
            f"<style>{_STYLE}</style>\n</head>\n<body>\n",
            f"<h1>{_text(info['title'])} <small>{_text(info['version'])}</small></h1>\n",
            f"<p>{_text(info['description'])}</p>\n",
            '<p>The same for programs: <a href="/openapi.json">/openapi.json</a></p>\n',
            *_operations(document),
            *_schemas(document["components"]["schemas"]),
            "</body>\n</html>\n",
        )
    )


def _operations(document: Mapping[str, Any]) -> Iterator[str]:
    for tag in document["tags"]:
        yield f"<h2>{_text(tag['name'])}</h2>\n<p>{_text(tag['description'])}</p>\n"
        for path, methods in document["paths"].items():
            for method, operation in methods.items():
                if tag["name"] in operation["tags"]:
                    yield from _operation(document, path, method, operation)


def _operation(
    document: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]
) -> Iterator[str]:
    yield f'<details id="{_text(operation["operationId"])}"><summary>'
    yield f'<code><span class="method">{_text(method)}</span> {_text(path)}</code>'
    yield f"{_text(operation['summary'])}</summary>\n"
    yield f'<div class="inside">\n<p>{_text(operation["description"])}</p>\n'
    if "parameters" in operation:
        rows = [
            (
                _code(parameter["name"]),
                _text(parameter["in"]) + (", required" if parameter["required"] else ""),
                _text(parameter["description"]),
            )
            for parameter in operation["parameters"]
        ]
        yield from _table(("Parameter", "In", "Meaning"), rows)
    if "requestBody" in operation:
        yield f"<p>Body: {_shape(_schema_of(operation['requestBody']))}</p>\n"
    answers = [
        (_code(status), *_answer(document, response))
        for status, response in operation["responses"].items()
    ]
    yield from _table(("Status", "Body", "Meaning"), answers)
    yield "</div></details>\n"


def _answer(document: Mapping[str, Any], response: Mapping[str, Any]) -> tuple[str, str]:
    if "$ref" in response:
        response = document["components"]["responses"][_name(response["$ref"])]
    body = _shape(_schema_of(response)) if "content" in response else ""
    headers = "".join(
        f"<br>{_code(name)}: {_text(header['description'])}"
        for name, header in response.get("headers", {}).items()
    )
    return body, _text(response["description"]) + headers


def _schemas(schemas: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    yield "<h2>Schemas</h2>\n"
    for name, schema in schemas.items():
        yield f'<details id="{_text(name)}" open><summary>{_code(name)}'
        yield f'{_text(schema["description"])}</summary>\n<div class="inside">\n'
        required = schema.get("required", ())
        rows = [
            (
                _code(member),
                _shape(kind) + (", required" if member in required else ""),
                _text(kind["description"]),
            )
            for member, kind in schema.get("properties", {}).items()
        ]
        if rows:
            yield from _table(("Member", "Kind", "Meaning"), rows)
        yield "</div></details>\n"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield "<table><tr>" + "".join(f"<th>{_text(title)}</th>" for title in head) + "</tr>\n"
    for row in rows:
        yield "<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>\n"
    yield "</table>\n"


def _schema_of(described: Mapping[str, Any]) -> Mapping[str, Any]:
    [content] = described["content"].values()
    schema: Mapping[str, Any] = content["schema"]
    return schema


def _shape(schema: Mapping[str, Any]) -> str:
    """Return in a few words what a value may be, with a link to a schema that has a name."""
    if "$ref" in schema:
        name = _text(_name(schema["$ref"]))
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_shape(kind) for kind in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(_code(value or '""') for value in schema["enum"])
    kind = str(schema.get("type", "anything"))
    if kind == "array":
        return "list of " + _shape(schema["items"])
    notes = [f"{_NOTES[name]} {schema[name]}" for name in _NOTES if name in schema]
    examples = [_code(example) for example in schema.get("examples", ())]
    if examples:
        notes.append("such as " + ", ".join(examples))
    return ", ".join([_text(kind), *notes])


_NOTES: Final = {
    "format": "format",
    "minLength": "min. length",
    "maxLength": "max. length",
    "minimum": "min.",
    "maximum": "max.",
}


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _text(text: object) -> str:
    return escape(str(text))


def _code(text: object) -> str:
    return f"<code>{_text(text)}</code>"
