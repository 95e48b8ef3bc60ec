"""HTTP/1.1 over one connection: framing, head, body, the WSGI call, deadlines."""
