"""What the API description says in words: of each schema, member, parameter, header and status.

Only texts stand here; those of operations stand with them. Tests see that everything which is
described has one, and that no text is left over.
"""

from collections.abc import Mapping
from typing import Final

API: Final = (
    "API keys, and the short-lived tokens derived from them. Wire-compatible with Ory Talos "
    "v2alpha1. Bodies are JSON; members are accepted in snake_case and lowerCamelCase, unknown "
    "ones are ignored, and null means not set. Errors come in one envelope, ErrorEnvelope."
)

SCHEMAS: Final[Mapping[str, str]] = {
    "BatchCreateImportedApiKeysRequest": "Up to 1000 keys to import.",
    "BatchCreateImportedApiKeysResponse": "What became of each item of a batch import.",
    "BatchImportResult": "What became of one item of a batch import.",
    "BatchVerifyApiKeysRequest": "Up to 100 credentials to verify.",
    "BatchVerifyApiKeysResponse": "One verdict for each item, by position.",
    "DeriveTokenRequest": "The key to derive from, and what the token shall say.",
    "DeriveTokenResponse": "A derived token.",
    "ErrorEnvelope": "Body of every answer that is not a success.",
    "ErrorInfo": "The machine-readable cause of an error.",
    "ErrorStatus": "An error.",
    "GetJwksResponse": "The key set, wrapped. RFC 7517 consumers have to unwrap it.",
    "HealthResponse": "The check passed.",
    "ImportApiKeyRequest": "A key that was made elsewhere, and what to know about it.",
    "ImportedApiKey": "A key of somebody else's format. Only its hash is stored.",
    "IpRestriction": "From where a key may be used.",
    "IpRestrictionInput": "From where a key may be used; an empty list lifts the restriction.",
    "IssueApiKeyRequest": "The key to issue.",
    "IssueApiKeyResponse": "The new key and its secret.",
    "IssuedApiKey": "A key of the server's own format.",
    "JsonWebKeySet": "A key set of RFC 7517, with public members only.",
    "ListImportedApiKeysResponse": "One page of imported keys.",
    "ListIssuedApiKeysResponse": "One page of issued keys.",
    "NotReady": "The error, and the failed checks by name.",
    "RateLimit": "How often a key may be used.",
    "RateLimitPolicyInput": "How often a key may be used.",
    "RevokeApiKeyRequest": "Why the key is revoked. May be left out.",
    "RotateApiKeyRequest": "What shall differ in the successor; the rest is inherited.",
    "RotateIssuedApiKeyResponse": "The successor with its secret, and the key that it replaces.",
    "SelfRevokeApiKeyRequest": "The credential to revoke, as its holder presents it.",
    "SelfRevokeApiKeyResponse": "An object without members.",
    "Token": "A derived token, and what it says.",
    "UpdateApiKeyRequest": (
        "The members to change. Only name, scopes, metadata, rate_limit_policy and ip_restriction "
        "can be changed; the others have to be well-formed and have no effect."
    ),
    "VerifyApiKeyRequest": "The credential to judge.",
    "VerifyApiKeyResponse": (
        "The verdict. Of a credential that is not valid nothing is told but why, with one "
        "exception: over its rate limit, a key keeps its members."
    ),
    "VersionResponse": "The running build.",
}

COMMON: Final[Mapping[str, str]] = {
    "actor_id": "Whom the key stands for, such as user:42 or service:billing. Free text.",
    "allowed_cidrs": "Networks from which the key may be used, IPv4 and IPv6.",
    "audiences": "Whom the token is meant for; empty for keys.",
    "create_time": "When the key was made.",
    "credential": "An issued key, an imported key, a derived JWT or a macaroon.",
    "custom_claims": (
        "Claims of your own. Names that the format reserves are dropped; the rest is laid over the "
        "key's metadata."
    ),
    "error_code": "Why not, for programs.",
    "error_message": "Why not, for people.",
    "expire_time": "When the key or token ends.",
    "imported_api_key": "The imported key; null where the item failed.",
    "ip_restriction": "From where the key may be used. Everywhere, where it is absent.",
    "is_valid": "Whether the credential is good, here and now.",
    "issuer": "The configured issuer of this server.",
    "key_id": "The id of the key: a UUID of issued keys, 64 hexadecimal digits of imported ones.",
    "last_used_time": "The first verification of the latest day on which the key was used.",
    "metadata": "Anything that describes the key, as a JSON object; kept as it is sent.",
    "name": "A name for people.",
    "next_page_token": "Pass it as page_token to get the next page; empty on the last one.",
    "quota": "How many calls the window allows. A 64-bit integer as text.",
    "rate_limit_policy": "How often the key may be used. As often as anybody likes, where absent.",
    "reason": "Why, as one of the known reasons.",
    "request_id": (
        "An id of your own. A second request with the same id gets the key that the first one made."
    ),
    "revocation_description": "What was said when the key was revoked.",
    "revocation_reason": "Why the key was revoked; absent where no reason was given.",
    "scopes": "What the key may be used for. Free text, compared letter by letter.",
    "secret": "The credential itself. It is told here and nowhere else.",
    "status": "ACTIVE, REVOKED or EXPIRED.",
    "ttl": "How long it lives: 3600s, 1h30m, 30d, 1y6mo.",
    "unit": "What is counted: requests.",
    "update_time": "When the key was last changed.",
    "visibility": (
        "SECRET keys may revoke themselves with nothing but their credential; PUBLIC ones may not, "
        "since they are meant to be seen. PUBLIC keys carry a prefix of their own."
    ),
    "window": "How long the window is, in seconds: 60s.",
}
"""Members that mean the same wherever they stand."""

MEMBERS: Final[Mapping[str, Mapping[str, str]]] = {
    "BatchCreateImportedApiKeysRequest": {"requests": "The keys, each as a single import has it."},
    "BatchCreateImportedApiKeysResponse": {
        "results": "One entry for each item, in the order of the request.",
        "success_count": "How many items were imported.",
        "failure_count": "How many items were not.",
    },
    "BatchImportResult": {"index": "The item's position in the request, from 0."},
    "BatchVerifyApiKeysRequest": {"requests": "The credentials, in the order of the answer."},
    "BatchVerifyApiKeysResponse": {"results": "The verdicts, in the order of the request."},
    "DeriveTokenRequest": {
        "algorithm": "JWT (the default) or MACAROON.",
        "audiences": "Whom the token is meant for. Verify has to expect one of them.",
        "scopes": "A part of the key's scopes; all of them, where it is absent or empty.",
        "ttl": "How long it lives, at most as long as the key: 15m, 1h.",
    },
    "DeriveTokenResponse": {"token": "The token, and what it says."},
    "ErrorEnvelope": {"error": "The error."},
    "ErrorInfo": {
        "@type": "Always the type of google.rpc.ErrorInfo.",
        "reason": "What happened, for programs; docs/errors.md lists every reason.",
        "domain": "Always www.ory.com/talos.",
    },
    "ErrorStatus": {
        "code": "The HTTP status.",
        "message": "What happened, for people.",
        "status": "The canonical name of the gRPC code.",
        "details": "Exactly one entry.",
    },
    "GetJwksResponse": {"jwks": "The key set."},
    "HealthResponse": {"status": "Always ok."},
    "ImportApiKeyRequest": {"raw_key": "The credential, to the byte. It is hashed, never stored."},
    "IssueApiKeyResponse": {"issued_api_key": "The new key."},
    "JsonWebKeySet": {"keys": "The public keys, those of the signing key among them."},
    "ListImportedApiKeysResponse": {"imported_api_keys": "The keys of this page."},
    "ListIssuedApiKeysResponse": {"issued_api_keys": "The keys of this page."},
    "NotReady": {"error": "The error.", "errors": "What is wrong, by the name of the check."},
    "RevokeApiKeyRequest": {
        "description": "More about it; only with REVOCATION_REASON_PRIVILEGE_WITHDRAWN.",
    },
    "RotateIssuedApiKeyResponse": {
        "issued_api_key": "The successor.",
        "old_issued_api_key": "The key that it replaces, revoked.",
    },
    "SelfRevokeApiKeyRequest": {"credential": "The key to revoke, issued or imported."},
    "Token": {
        "token": "The token itself.",
        "scopes": "What the token may be used for.",
        "claims": "The key's metadata, and the custom claims over it.",
    },
    "VerifyApiKeyRequest": {
        "expected_audiences": (
            "Whom a token has to be meant for: one of these. Where it is empty, a token that is "
            "meant for somebody in particular is refused."
        ),
    },
    "VerifyApiKeyResponse": {
        "expire_time": "When the credential ends.",
        "rate_limit_remaining": (
            "How many calls are left of the limit at this moment, where it is enforced."
        ),
        "rate_limit_reset_time": "When the limit has recovered fully, where it is enforced.",
        "scopes": "What the credential may be used for.",
    },
    "VersionResponse": {
        "version": "The version of the server.",
        "commit": "The commit that it was built from.",
        "build_time": "When it was built.",
        "config_hash": "Changes with the effective configuration; tells nothing about it.",
    },
}
"""Members that mean something of their own in their schema."""

PARAMETERS: Final[Mapping[str, str]] = {
    "key_id": "The id of the key.",
    "page_size": "How many keys a page holds at most: 1 to 1000, 50 where it is 0 or absent.",
    "page_token": "The next_page_token of the page before; good for an hour.",
    "filter": 'actor_id="..." and status=KEY_STATUS_..., one of them or both joined by AND.',
    "update_mask": (
        "Which members to change, joined by commas; one that is named and absent from the body "
        "is cleared. Without a mask the members of the body that are not empty are changed."
    ),
}

HEADERS: Final[Mapping[str, str]] = {
    "Location": "Path of what was made.",
    "Ory-Talos-Cache": "Whether the answer came from the cache: HIT, MISS or SKIP.",
    "RateLimit-Policy": 'The policy of the key, such as "default";q=100;w=60.',
    "RateLimit": 'What is left of it where it is enforced, such as "default";r=42.',
    "Retry-After": "Seconds until the limit has recovered, where the key is over it.",
    "Cache-Control": "no-store, where the answer holds for this caller or moment alone.",
}

STATUSES: Final[Mapping[int, str]] = {
    307: "The path has doubled slashes or dot segments; Location has the clean one.",
    400: "The request is malformed, or breaks a rule of one of its members.",
    401: "The credential in the body is not good.",
    402: "The quota of keys is used up.",
    403: "Not allowed; also for browsers that come from a page of another site.",
    404: "There is no such key, route or tenant.",
    409: "The state of the key is in the way, or there is such a key already.",
    421: "serve.http.allowed_hosts does not name the host of the request.",
    500: "Something went wrong in the server. Its log tells what.",
    503: "The server cannot do its work at this moment, for want of its database as a rule.",
    504: "The database took too long.",
}
