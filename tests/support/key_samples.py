"""Keys and requests of many kinds."""

LINES = (
    (),
    (b"X-Request-Id: an id of the client's",),
    (b"X-Request-Id:",),
    (b"X-Request-Id: " + b"a" * 129,),
    (b"Content-Type: application/x-www-form-urlencoded",),
    (b"Accept: text/html", b"Accept-Encoding: gzip"),
    (b"X-Http-Method-Override: GET",),
    (b"Connection: Keep-Alive", b"Keep-Alive: timeout=5"),
    (b"Range: bytes=0-1", b"If-None-Match: *"),
    (b"X-Forwarded-For: 203.0.113.9", b"X-Forwarded-Proto: https"),
)


MEMBERS = (
    {},
    {"metadata": {"tier": "gold", "text": "\u00e9\U0001f511", "n": 1.5}},
    {"scopes": ["read", "write"], "visibility": "KEY_VISIBILITY_SECRET"},
    {"actor_id": 'quo"ted\\ \u2028 text'},
)
