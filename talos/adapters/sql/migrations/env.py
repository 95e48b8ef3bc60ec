"""Run by Alembic for every command, on the connection of ``talos.adapters.sql.migrate``.

It has no database of its own to connect to: ``alembic`` on the command line serves to write new
revisions, ``talos migrate`` to apply them.
"""

from alembic import context

from talos.adapters.sql.schema_version import VERSION_TABLE
from talos.adapters.sql.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
)
context.run_migrations()
