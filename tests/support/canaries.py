"""Secrets that must not show, and where they might."""

import traceback

CANARY = "canary-e9d1c4b7"


LONG = f"{CANARY}-{'x' * 32}"


def told_by(error: BaseException) -> str:
    """Everything that a log, a person or a debugger is shown of an exception and its causes."""
    told = "".join(traceback.format_exception(error))
    link: BaseException | None = error
    while link is not None:
        told += repr(link) + str(link) + repr(link.args) + repr(vars(link))
        link = link.__cause__ or link.__context__
    return told
