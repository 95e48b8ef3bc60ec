"""YAML that is safe to show and reads back as the same value."""

import sys
from typing import Any

import yaml

from talos.cli.text import is_safe, many_lines


class _Dumper(yaml.SafeDumper):
    """Double quotes around text that holds characters to be escaped: no other style has escapes."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write a value that occurs twice twice."""
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if is_safe(text) else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def yaml_text(value: object, *, sort_keys: bool = True) -> str:
    """Return ``value``, made of what JSON knows, as YAML in UTF-8."""
    text: str = yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=False,
        allow_unicode=True,
        sort_keys=sort_keys,
        width=sys.maxsize,
    )
    # Unsafe characters stand in double quotes, where these escapes are also those of YAML.
    return many_lines(text)
