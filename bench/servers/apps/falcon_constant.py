"""A Falcon ASGI application with one constant answer, the file that ``BENCH_BODY`` names."""

import os
from pathlib import Path

import falcon
import falcon.asgi

_BODY = Path(os.environ["BENCH_BODY"]).read_bytes()


class Verify:
    """Reads the request's body, as any verifier must, and answers what it always answers."""

    async def on_post(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        """Answer 200."""
        await req.stream.readall()
        resp.content_type = falcon.MEDIA_JSON
        resp.data = _BODY


app = falcon.asgi.App()
app.add_route("/v2alpha1/admin/apiKeys:verify", Verify())
