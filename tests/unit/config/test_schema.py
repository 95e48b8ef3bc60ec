"""The schema against the table of contract 8.3, and against what is derived from it."""

import re

import pytest
from jsonschema import Draft202012Validator

from talos.config import schema
from talos.config.environment import _ELEMENT
from talos.config.validation import faults_of
from talos.config.values import completed
from tests.unit.config.settings import tree

# Contract 8.3: key, default, whether an edit takes effect at once. Where contract 16 says
# otherwise, its value stands here; ours are at the end.
CONTRACT = """
serve.http.host None R
serve.http.port 4420 R
serve.http.request_log.exclude_health_endpoints False H
serve.http.client_ip_source 'CLIENT_IP_SOURCE_UNSPECIFIED' H
serve.http.trust_forwarded_host False R
serve.http.cors.enabled False H
serve.http.cors.allowed_origins ['*'] H
serve.http.cors.allowed_methods ['GET','POST','PUT','PATCH','DELETE'] H
serve.http.cors.allowed_headers ['Authorization','Content-Type'] H
serve.http.cors.exposed_headers ['Content-Type'] H
serve.http.cors.allow_credentials False H
serve.http.cors.max_age 0 H
serve.http.cors.debug False H
serve.metrics.host '0.0.0.0' R
serve.metrics.port 4422 R
db.dsn None R
log.level 'info' R
log.format 'json' R
credentials.issuer None H
credentials.issuer_retired [] H
credentials.clock_skew '5m' H
credentials.api_keys.default_ttl None H
credentials.api_keys.max_ttl '8760h' H
credentials.api_keys.prefix.current 'ory_ak' H
credentials.api_keys.prefix.retired [] H
credentials.api_keys.prefix.public_current None H
credentials.api_keys.prefix.public_retired [] H
credentials.derived_tokens.default_ttl '1h' H
credentials.derived_tokens.jwt.signing_key_id '' H
credentials.derived_tokens.jwt.signing_keys.urls [] H
credentials.derived_tokens.macaroon.prefix.current 'mc' H
credentials.derived_tokens.macaroon.prefix.retired [] H
secrets.hmac.current None H
secrets.hmac.retired [] H
cache.type 'memory' R
cache.enabled None H
cache.ttl '5m' H
cache.memory.max_size 104857600 R
cache.memory.num_counters 10000 R
cache.redis.addrs ['localhost:6379'] R
cache.redis.password None R
cache.redis.db 0 R
cache.redis.pool_size 100 R
cache.redis.timeout '3s' R
cache.redis.min_idle_conns 2 R
cache.redis.conn_max_idle_time '5m' R
cache.redis.conn_max_lifetime '30m' R
cache.redis.tls.enabled False R
rate_limit.enabled False H
rate_limit.backend 'memory' R
last_used.queue_size 10000 R
last_used.flush_size 100 R
last_used.flush_interval '30s' R
last_used.num_workers 4 R
tracing.enabled False R
tracing.service_name 'talos' R
tracing.service_version '0.0.0' R
tracing.environment 'development' R
tracing.exporter None R
tracing.endpoint None R
tracing.sample_rate 0.001 R
quota.api_keys_max None H
multitenancy.enabled False R
multitenancy.networks [] R
serve.http.workers None R
serve.http.threads 16 R
serve.http.trusted_proxies [] H
serve.http.allowed_hosts [] H
serve.http.max_connections_per_peer 0 R
serve.http.socket_mode '0660' R
serve.http.idle_timeout '60s' R
serve.http.drain_delay '0s' R
serve.metrics.socket_mode '0660' R
serve.http.socket_mode '0660' R
serve.http.max_connections_per_peer 0 R
serve.http.idle_timeout '60s' R
serve.http.drain_delay '0s' R
serve.metrics.socket_mode '0660' R
rate_limit.memory.max_size 16777216 R
"""
ROWS = [[*line.rsplit(" ", 1)[0].split(" ", 1), line[-1]] for line in CONTRACT.split("\n") if line]


def test_the_schema_is_a_valid_schema() -> None:
    Draft202012Validator.check_schema(schema.document())


def test_the_schema_has_exactly_the_settings_of_the_contract_and_ours() -> None:
    assert set(schema.settings()) == {path for path, _, _ in ROWS}


@pytest.mark.parametrize(("path", "default", "reload"), ROWS)
def test_default_and_reload_class(path: str, default: str, reload: str) -> None:
    setting = schema.settings()[path]
    assert repr(setting.node.get("default")) == default.replace(",", ", ")
    assert setting.hot is (reload == "H")


def test_what_is_secret() -> None:
    assert {path for path, setting in schema.settings().items() if setting.secret} == {
        "db.dsn",
        "credentials.derived_tokens.jwt.signing_keys.urls",
        "secrets.hmac.current",
        "secrets.hmac.retired",
        "cache.redis.password",
    }
    assert schema.is_secret(("secrets", "hmac", "retired", 3, "value"))
    assert not schema.is_secret(("credentials", "issuer_retired", 3, "value"))


def test_what_is_immutable() -> None:
    immutable = {path for path, setting in schema.settings().items() if setting.immutable}
    assert immutable == {"db.dsn", "cache.redis.password"}


@pytest.mark.parametrize(
    ("path", "node"),
    [(".".join(parts), node) for parts, node in schema.walk()],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_key_says_what_it_means(path: str, node: schema.Node) -> None:
    description = node["description"]
    assert re.fullmatch(r"[A-Z`].*\.", description), description
    if path in schema.settings():
        assert schema.expectation(node)
        # A bound that is a pattern needs words.
        assert "pattern" not in node or "x-expected" in node or "x-duration" in node
    else:
        assert node["additionalProperties"] is False


def test_the_defaults_are_valid() -> None:
    assert faults_of(completed(tree()), lambda path: None) == []


def test_no_two_keys_share_an_environment_variable() -> None:
    names = [schema.env_name(parts) for parts, _ in schema.walk()]
    assert len(names) == len(set(names))
    assert not [name for name in names if _ELEMENT.fullmatch(name)]


def test_environment_names() -> None:
    assert schema.settings()["db.dsn"].variable == "TALOS_DB_DSN"
    assert schema.env_name(("secrets", "hmac", "retired", 0, "value")) == (
        "TALOS_SECRETS_HMAC_RETIRED_0_VALUE"
    )
