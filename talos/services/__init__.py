"""The use cases, one module a verb. What they need from outside is declared in ``ports``."""

from dataclasses import dataclass

from talos.services.delete import DeleteService
from talos.services.derive import DeriveService
from talos.services.import_keys import ImportService
from talos.services.issue import IssueService
from talos.services.query import QueryService
from talos.services.revoke import RevokeService
from talos.services.rotate import RotateService
from talos.services.update import UpdateService
from talos.services.verify import VerifyService


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
