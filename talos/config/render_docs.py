"""Writes the settings page of the docs from the schema: ``python -m talos.config.render_docs``.

With ``--check`` nothing is written; the exit code tells whether the page is up to date.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from talos.config import schema
from talos.config.schema import Setting
from talos.config.variables import FILE_SUFFIX

PAGE: Final = Path(__file__).parents[2] / "docs" / "settings.md"

_INTRODUCTION: Final = """\
# Settings

<!-- Written by `python -m talos.config.render_docs` from talos/config/schema.json. Edit that. -->

Every setting has a path such as `serve.http.port`. Its value comes from, the later winning over the
earlier:

1. the default below,
2. the file given with `--config`: `.yaml`, `.yml`, `.json` or `.toml`,
3. the environment: the path in upper case, dots turned into underscores, behind `TALOS_`
   (`TALOS_SERVE_HTTP_PORT`). The name without `TALOS_` works too; where both are set, the prefixed
   one wins, with a warning if they differ. A variable that begins with `TALOS_` and belongs to
   nothing is ignored with a warning, which names what was probably meant.

Two settings have no default and must be there: `credentials.issuer` and `secrets.hmac.current`.
`talos serve` and `talos migrate` also need `db.dsn`. The smallest file is

```yaml
db:
  dsn: sqlite:///var/lib/talos/talos.db
credentials:
  issuer: https://keys.example.com
secrets:
  hmac:
    current: <at least 32 characters from a random generator>
```

`talos config validate` checks a configuration and names every error at once, `talos config show`
prints what is in force with secrets redacted, `talos config schema` prints the JSON Schema that
this page is made of; editors can complete and check a file with it.

## Files

Mappings merge with the defaults; a list replaces the default list. A key that does not exist is an
error, wherever it stands, and so is a key written twice. Of several YAML documents the first
counts. YAML is read by the rules of its version 1.2: `no` and `12:30:45` are text.

## Environment variables

- **Booleans**: `1` `t` `T` `true` `True` `TRUE`, or `0` `f` `F` `false` `False` `FALSE` or nothing.
- **Integers**: decimal, `0x`, `0o` and `0b` forms; a leading zero means octal; nothing is 0.
- **Lists**: a JSON array (`["a","b"]`), or text with commas (`a,b`; an item that holds a comma is
  quoted: `"a,b",c`). Either replaces the whole list. Nothing is an empty list. Blanks around the
  items of text with commas, and of single items, are taken away, except in `secrets.hmac.retired`,
  where they count.
- **Single items of a list**: `..._0`, `..._1`, laid over the list of the file, or else the default
  one. No index may be left out.
- **Items with members**: a JSON object, or one variable for each member:
  `TALOS_SECRETS_HMAC_RETIRED_0_VALUE`, `TALOS_SECRETS_HMAC_RETIRED_0_EXPIRES_AT`.
- **Whole sections**: a JSON object (`TALOS_SECRETS_HMAC={"current":"..."}`), which merges. A
  variable that only shares its name with a section, such as `LOG`, is ignored.

A text that begins or ends with a blank or a line break, or stands in quotes (files of variables for
containers keep them), counts as it is, with a warning.

### Secrets in files

Every variable of a secret has a second name with `_FILE` behind it, which names a file to read:
`TALOS_SECRETS_HMAC_CURRENT_FILE=/run/secrets/hmac`. The settings below whose row shows it have it,
the single items of their lists (`TALOS_SECRETS_HMAC_RETIRED_0_FILE`) and the members of those
(`TALOS_SECRETS_HMAC_RETIRED_0_VALUE_FILE`), with `TALOS_` and without.

- The file holds exactly what the variable would hold. One line break at its end and a byte order
  mark at its beginning are not part of it; everything else is, blanks included.
- A variable and its `_FILE` at once are an error. So is a file that is not there, cannot be read,
  is no regular file, has more than 4 MiB, or is not UTF-8; none of these errors shows what it says.
- The files are watched like the configuration, through links too (Kubernetes swaps them), and read
  again at SIGHUP. A change is a [reload](#reload): `secrets.hmac` and the signing keys take effect
  at once, `db.dsn` and `cache.redis.password` cannot change while the server runs.
- `talos migrate` reads `DB_DSN_FILE` and `TALOS_DB_DSN_FILE`.

### Who may read them

At start, in `talos config validate` and at reload a warning names each file with secrets in it (the
configuration, or one that a variable names) that every user of the machine may read, or others than
its owner may change, with its mode and the `chmod` that mends it. Kubernetes mounts secrets with
mode 0644; `defaultMode: 0400`, or 0440 beside an `fsGroup`, is enough.

## Durations

One or more of a number and a unit: `ns`, `us`, `ms`, `s`, `m`, `h`, such as `30s`, `1h30m` or
`1.5h`. `credentials.clock_skew` and `last_used.flush_interval` also take bare digits, which are
nanoseconds, and a leading plus sign.

## Secrets that are refused

A value that anybody could know is an error at start, for `talos config validate` and at reload. For
`secrets.hmac` that is

- a variable, a command or a template that nothing has replaced: `${HMAC}`, `$HMAC`, `$(...)`,
  `{{ ... }}`, `<...>`, or text that SOPS or Ansible Vault encrypted;
- the place of a secret: a URL, or the name of a file;
- a placeholder such as `changeme` or `your-secret`, the examples of these pages, and the secrets of
  published test vectors;
- a pattern of up to 16 characters repeated, fewer than 6 different characters, or a plain sequence.

`openssl rand -base64 48` makes a good one. In other settings only what nothing has replaced is
refused, and a password of `db.dsn` or `cache.redis.password` that is a placeholder. A server that
ran with such a secret gets a new `current`, and the old one under `retired` with an `expires_at`:
with an end it is accepted, with a warning, so that keys can be rotated in the meantime.

## Reload

The file is watched. An edit that is valid takes effect with the next request for the settings
marked *hot*, in every worker at once, and leaves one line in the log, which also names the settings
that wait for a *restart*. An edit that is not valid changes nothing and is logged with its errors,
and so is one that touches a setting marked *fixed*, as a whole. Values from the environment do not
change while the server runs, and win over an edited file; the [files](#secrets-in-files) that they
name are followed.

An edit that takes a value away on which credentials rest is accepted, and a warning says which of
them no longer verify: a `secrets.hmac.current` that was replaced and is not under
`secrets.hmac.retired`, and likewise issuers, prefixes, signing keys, and a shorter
`credentials.api_keys.max_ttl`. Between two starts nobody can notice that: retire a value before you
restart with another one.

## Retired values

`credentials.issuer_retired` and `secrets.hmac.retired` hold strings, or objects with an end:

```yaml
secrets:
  hmac:
    retired:
      - <an earlier secret>
      - value: <another one>
        expires_at: 2030-01-31T00:00:00Z
```

An entry counts until the very moment of `expires_at`; no reload is needed for it to end. An entry
that is malformed is skipped with a warning that names its index; the others keep working.
"""


def render() -> str:
    """Return the page."""
    return "\n".join((_INTRODUCTION, *_parts()))


def main(arguments: list[str] | None = None) -> int:
    """Write or check the page; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m talos.config.render_docs")
    parser.add_argument("--check", action="store_true", help="only tell whether it is up to date")
    parser.add_argument("--output", type=Path, default=PAGE, help="the page (default: %(default)s)")
    options = parser.parse_args(arguments)
    page: Path = options.output
    if options.check:
        if page.is_file() and page.read_text(encoding="utf-8") == render():
            return 0
        sys.stderr.write(f"{page} is out of date; run python -m talos.config.render_docs\n")
        return 1
    page.write_text(render(), encoding="utf-8")
    return 0


def _parts() -> Iterator[str]:
    for name, node in schema.document()["properties"].items():
        yield f"## {name}\n"
        yield f"{node['description']}\n"
        yield from _note(node)
        yield from _tables((name,))


def _tables(parts: tuple[str, ...]) -> Iterator[str]:
    """Yield the table of the settings that stand directly in the section, then its sections."""
    section = schema.at(parts) or {}
    inside = [(*parts, name) for name in section["properties"]]
    here = [path for path in inside if ".".join(path) in schema.settings()]
    if here:
        yield "| Setting | Value | Default | Reload | Meaning |\n|---|---|---|---|---|"
        yield from (_row(schema.settings()[".".join(path)]) for path in here)
        yield ""
    for path in inside:
        if ".".join(path) in schema.sections():
            node = schema.sections()[".".join(path)]
            yield f"{'#' * min(len(path) + 1, 4)} {'.'.join(path)}\n"
            yield f"{node['description']}\n"
            yield from _note(node)
            yield from _tables(path)


def _note(node: schema.Node) -> Iterator[str]:
    if "x-without-effect" in node:
        yield f"*Not in force:* {node['x-without-effect']}\n"


def _row(setting: Setting) -> str:
    meaning = str(setting.node["description"])
    if "x-without-effect" in setting.node:
        meaning += f" *Not in force:* {setting.node['x-without-effect']}"
    if setting.secret:
        meaning += " Never printed."
    file = f"<br>`{setting.variable}{FILE_SUFFIX}`" if setting.secret else ""
    cells = (
        f"`{setting.path}`<br>`{setting.variable}`{file}",
        _value(setting),
        _default(setting),
        "fixed" if setting.immutable else "hot" if setting.hot else "restart",
        meaning,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _value(setting: Setting) -> str:
    if "x-duration" in setting.node:
        above_zero = " above zero" if setting.node["x-duration"].get("positive") else ""
        return f"a [duration](#durations){above_zero}"
    return schema.expectation(setting.node)


def _default(setting: Setting) -> str:
    above = schema.at(setting.parts[:-1]) or {}
    if setting.parts[-1] in above.get("required", ()):
        return "**required**"
    if "x-default" in setting.node:
        return str(setting.node["x-default"])
    if "default" not in setting.node:
        return "none"
    value: Any = setting.node["default"]
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, list):
        return ", ".join(f"`{item}`" for item in value) or "empty"
    return f"`{value}`" if value != "" else "empty"


if __name__ == "__main__":
    sys.exit(main())
