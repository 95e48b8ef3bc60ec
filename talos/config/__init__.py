"""Configuration: one schema, three sources, one immutable value, followed while the server runs.

- ``schema``: the one truth about every setting; ``schema.document()`` is the JSON Schema itself.
- ``loading.load(path, environ)``: defaults, file, environment, validated. Raises
  ``ConfigurationError`` whose ``faults`` is one printable line for everything that is wrong.
- ``values.Config``: what that returns. Typed getters by dotted path, ``was_set``, ``redacted``.
- ``snapshot.take(config)``: what requests may see, and the signing keys that cannot be read.
- ``advice.warnings(snapshot)``: what is allowed and probably not meant. What the loading itself
  finds is part of it: ``placeholders`` and ``stray`` look at texts, ``exposure`` at the modes of
  files, ``unknown_variables`` at names.
- ``invalidation.warnings(before, after, now_ns)``: which credentials a reload costs.
- ``reload.ConfigSource``: the snapshot in force. Made before the workers fork, it keeps them all at
  one revision; ``reload.ConfigWatcher`` follows the file, one in each worker, started after the
  fork.
- ``directory.SingleTenantSource``: the source as the port that HTTP knows, a directory a request.
- ``render_docs``: ``python -m talos.config.render_docs`` writes ``docs/settings.md``.

Nothing here reads the environment of the process: it is given as a mapping.
"""
