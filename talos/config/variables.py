"""The ``TALOS_`` variables that belong to the command line and are no settings of the server.

Whoever warns of unknown variables knows these: an operator's shell may hold them while the server
starts. Their meaning is in ``talos.cli.connection``.
"""

from typing import Final

FILE_SUFFIX: Final = "_FILE"
"""What the name of a variable ends in that names the file of a secret."""

ENDPOINT: Final = "TALOS_ENDPOINT"
CA_CERTIFICATE: Final = "TALOS_CACERT"
CLIENT_CERTIFICATE: Final = "TALOS_CLIENT_CERT"
CLIENT_KEY: Final = "TALOS_CLIENT_KEY"
HEADERS: Final = "TALOS_HEADERS"
TOKEN: Final = "TALOS_TOKEN"  # noqa: S105  (a name)
TOKEN_FILE: Final = "TALOS_TOKEN_FILE"  # noqa: S105  (a name)

COMMAND_LINE_VARIABLES: Final = (
    ENDPOINT,
    CA_CERTIFICATE,
    CLIENT_CERTIFICATE,
    CLIENT_KEY,
    HEADERS,
    TOKEN,
    TOKEN_FILE,
)
