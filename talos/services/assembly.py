"""The use cases put together, in one place for the server and the tests alike."""

from dataclasses import dataclass

from talos.services.delete import DeleteService
from talos.services.derive import DeriveService
from talos.services.import_keys import ImportService
from talos.services.issue import IssueService
from talos.services.ports import Ports
from talos.services.query import QueryService
from talos.services.revoke import RevokeService
from talos.services.rotate import RotateService
from talos.services.update import UpdateService
from talos.services.verify import VerifyService
from talos.services.writes import KeyWriter


@dataclass(frozen=True, slots=True)
class Services:
    """Every use case, built once for each process and shared by its threads."""

    issue: IssueService
    imports: ImportService
    verify: VerifyService
    derive: DeriveService
    rotate: RotateService
    revoke: RevokeService
    update: UpdateService
    delete: DeleteService
    query: QueryService


def assemble(ports: Ports) -> Services:
    """Return the use cases over ``ports``."""
    keys, clock = ports.keys, ports.clock
    writer = KeyWriter(keys, ports.cache, ports.events)
    verify = VerifyService(ports)
    return Services(
        issue=IssueService(writer, keys, clock),
        imports=ImportService(writer, ports.events, clock),
        verify=verify,
        derive=DeriveService(verify, clock, ports.events),
        rotate=RotateService(writer, clock),
        revoke=RevokeService(writer, keys, ports.cache, clock),
        update=UpdateService(writer, clock),
        delete=DeleteService(writer, clock),
        query=QueryService(keys, clock),
    )
