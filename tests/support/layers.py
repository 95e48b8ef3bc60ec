"""The layers of the packages."""

FLOORS = {
    "talos.errors": 0,
    "talos._core": 0,
    "talos.domain": 1,
    "talos.credentials": 2,
    "talos.services": 3,
    "talos.adapters": 4,
    "talos.config": 4,
    "talos.http": 4,
    "talos.fast_path": 5,
    "talos.bootstrap": 5,
    "talos.serving.http": 6,
    "talos.serving.connection_counts": 7,
    "talos.serving.peers": 7,
    "talos.serving.server": 7,
    "talos.serving.process": 8,
    "talos.serving": 9,
    "talos.cli": 10,
    "talos.__main__": 11,
}
