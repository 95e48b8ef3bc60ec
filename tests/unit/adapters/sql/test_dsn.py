"""Database addresses (contract 8.5)."""

import ssl
from pathlib import Path

import pytest

from talos.adapters.sql.dsn import DatabaseUrl, PoolSettings, Product, parse_dsn, parse_migrate_dsn
from talos.adapters.sql.dsn.pool import processors
from talos.errors import ConfigurationError

PASSWORD = "test-password-0123456789"


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("sqlite:///abs/path.db", "/abs/path.db"),
        ("sqlite3:///abs/path.db", "/abs/path.db"),
        ("sqlite://./rel.db", "rel.db"),
        ("sqlite://rel.db", "rel.db"),
        ("sqlite://sub/rel", "sub/rel"),
        ("sqlite:///with%20escape and #hash.db", "/with%20escape and #hash.db"),
        ("sqlite:///a.db?_pragma=busy_timeout(5000)&max_conns=3&cache=shared", "/a.db"),
        ("sqlite://file:rel.db", "rel.db"),
        ("sqlite:////double.db", "/double.db"),
    ],
)
def test_sqlite_paths(
    text: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = parse_dsn(text)
    assert url.product is Product.SQLITE
    assert url.path == (Path(path) if path.startswith("/") else tmp_path / path)


@pytest.mark.parametrize(
    "text",
    [
        "sqlite://:memory:",
        "sqlite:///:memory:",
        "sqlite3://:memory:",
        "sqlite://file::memory:?cache=shared",
        "sqlite:///a.db?mode=memory",
    ],
)
def test_sqlite_in_memory_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(ConfigurationError, match="in-memory"):
        parse_dsn(text)


@pytest.mark.parametrize(
    "text", ["sqlite://", "sqlite:///folder/", "sqlite://?x=1", "sqlite://a\0"]
)
def test_sqlite_needs_a_file(text: str) -> None:
    with pytest.raises(ConfigurationError, match="names no file"):
        parse_dsn(text)


def test_sqlite_pragmas_pass_but_for_ours() -> None:
    url = parse_dsn(
        "sqlite:///a.db?_pragma=cache_size(-2000)&_pragma=journal_mode(DELETE)"
        "&_pragma=synchronous(OFF)&_pragma=foreign_keys(0)&_pragma=busy_timeout=20000"
    )
    assert url.session == (("cache_size", "-2000"), ("busy_timeout", "20000"))
    assert len(url.warnings) == 3


@pytest.mark.parametrize("pragma", ["x", "x(1);DROP", "a b(1)", "x(", "x('1')"])
def test_sqlite_pragmas_are_no_way_to_run_sql(pragma: str) -> None:
    with pytest.raises(ConfigurationError, match="_pragma"):
        parse_dsn(f"sqlite:///a.db?_pragma={pragma}")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("oracle://db", "oracle"),
        ("Postgres://db", "Postgres"),
        ("SQLITE://a.db", "SQLITE"),
        ("/var/lib/talos.db", "/var/lib/talos.db"),
        ("sqlite:/path", "sqlite:/path"),
        ("", ""),
    ],
)
def test_unknown_drivers_are_named(text: str, shown: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_dsn(text)
    assert caught.value.message == f"unknown database driver: {shown}"


@pytest.mark.parametrize(
    "text",
    [
        f"postgres:/user:{PASSWORD}@host/db",
        f"user:{PASSWORD}@host/db",
        f"host=db password={PASSWORD}",
        f"Postgres://user:{PASSWORD}@host/db",
        f"postgre s://user:{PASSWORD}@host/db",
        f"user:{PASSWORD}@postgres://host",
        f"mysql://user:{PASSWORD}@host:3306/db",
        f"mysql://user:{PASSWORD}@tcp(host:x)/db",
        f"mysql://user:{PASSWORD}@udp(host)/db",
        f"mysql://user:{PASSWORD}",
        f"mysql://u:{PASSWORD}@tcp(h)/db?tls=custom",
        f"mysql://u:{PASSWORD}@tcp(h)/db?timeout=soon",
        f"mysql://u:{PASSWORD}@tcp(h)/db?x-y=1",
        f"mysql://u:p@tcp(h)/db?password={PASSWORD};",
        f"postgres://user:{PASSWORD}@host/db%zz",
        f"postgres://user:{PASSWORD}@host:port/db?max_conns=1&max_idle_conns=2",
        f"postgres://user:{PASSWORD}@[::1/db",
        # What stands unescaped in a password must not make another part of it.
        f"postgres://user:12/{PASSWORD}@host/db",
        f"postgres://user:{PASSWORD}/34@host/db",
        f"postgres://user:{PASSWORD}?x@host/db",
        f"postgres://user:12?{PASSWORD}@host/db",
        f"postgres://user:12?x={PASSWORD}@host/db",
        f"postgres://{PASSWORD}:x/db",
    ],
)
def test_no_error_tells_the_password(text: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        parse_dsn(text)
    error: BaseException | None = caught.value
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert PASSWORD not in repr(error)
    assert PASSWORD not in caught.value.message


@pytest.mark.parametrize(
    "text",
    [
        f"postgres://user:{PASSWORD}@host/db?sslmode=disable&sslpassword={PASSWORD}",
        f"postgres://host/db?user=u&password={PASSWORD}",
        f"cockroach://user:{PASSWORD}@host/db?custom={PASSWORD}",
        f"mysql://user:{PASSWORD}@tcp(host:3306)/db?max_conns=x",
    ],
)
def test_no_url_shows_the_password(text: str) -> None:
    url = parse_dsn(text)
    assert PASSWORD not in repr(url)
    assert PASSWORD not in str(url.warnings)


def args(url: DatabaseUrl, *names: str) -> dict[str, object]:
    return {name: url.connect_args.get(name) for name in names}


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "cockroach", "cockroachdb"])
def test_postgres_addresses(scheme: str) -> None:
    url = parse_dsn(
        f"{scheme}://us%40er:p%2Fw@db.example:5433/ta%20los?sslmode=verify-full"
        "&sslrootcert=/ca.pem&connect_timeout=9&application_name=app"
    )
    assert url.product is (Product.POSTGRES if scheme[0] == "p" else Product.COCKROACH)
    assert args(url, "user", "password", "host", "port", "dbname") == {
        "user": "us@er",
        "password": "p/w",
        "host": "db.example",
        "port": "5433",
        "dbname": "ta los",
    }
    assert args(url, "sslmode", "sslrootcert", "connect_timeout", "application_name") == {
        "sslmode": "verify-full",
        "sslrootcert": "/ca.pem",
        "connect_timeout": "9",
        "application_name": "app",
    }


def test_postgres_passwords_end_at_the_last_at_sign() -> None:
    url = parse_dsn(f"postgres://user:p@{PASSWORD}@@host:5433/db?application_name=a@b")
    assert args(url, "user", "password", "host", "port", "dbname", "application_name") == {
        "user": "user",
        "password": f"p@{PASSWORD}@",
        "host": "host",
        "port": "5433",
        "dbname": "db",
        "application_name": "a@b",
    }
    assert url.shown == "postgres://user@host:5433/db"


def test_postgres_sockets_and_several_hosts() -> None:
    assert parse_dsn("postgres://%2Fvar%2Frun/db").connect_args["host"] == "/var/run"
    assert parse_dsn("postgres://a:1,b:2/db").connect_args["host"] == "a,b"


def test_postgres_parameters_that_libpq_does_not_know_are_run_time_parameters() -> None:
    url = parse_dsn(
        "postgres://host/db?search_path=talos&statement_timeout=5s&statement_cache_capacity=0"
        "&pool_max_conns=7&max_conns=4"
    )
    assert url.session == (("search_path", "talos"), ("statement_timeout", "5s"))
    assert "pool_max_conns" not in url.connect_args


@pytest.mark.parametrize("mode", ["simple_protocol", "exec", "cache_describe", "describe_exec"])
def test_postgres_behind_a_pooler_prepares_nothing(mode: str) -> None:
    url = parse_dsn(f"postgres://host/db?default_query_exec_mode={mode}")
    assert url.connect_args["prepare_threshold"] is None
    assert url.session == ()


@pytest.mark.parametrize(
    ("query", "pool"),
    [
        ("", PoolSettings(25, 5, 1800.0, 600.0)),
        ("max_conns=50&max_idle_conns=50", PoolSettings(50, 50, 1800.0, 600.0)),
        ("max_conns=3", PoolSettings(3, 3, 1800.0, 600.0)),
        ("max_idle_conns=0", PoolSettings(25, 0, 1800.0, 600.0)),
        ("max_conn_lifetime=0&max_conn_idle_time=0s", PoolSettings(25, 5, None, None)),
        ("max_conn_lifetime=1h30m", PoolSettings(25, 5, 5400.0, 600.0)),
        ("pool_max_conns=9&pool_max_conn_lifetime=1m", PoolSettings(25, 5, 1800.0, 600.0)),
        ("conn_max_idle_time=1m&pool_whatever=x", PoolSettings(25, 5, 1800.0, 600.0)),
        (
            "pool_mode=advanced&max_conns=2",
            PoolSettings(max(4, processors()), max(4, processors()), 3600.0, 1800.0),
        ),
        (
            "pool_mode=advanced&pool_max_conns=9&pool_min_conns=2&pool_max_conn_lifetime=1m"
            "&pool_max_conn_idle_time=10s&pool_health_check_period=5s",
            PoolSettings(9, 9, 60.0, 10.0),
        ),
    ],
)
def test_postgres_pools(query: str, pool: PoolSettings) -> None:
    url = parse_dsn(f"postgres://host/db?{query}")
    assert url.pool == pool
    assert url.warnings == ()


@pytest.mark.parametrize(
    "query",
    [
        "max_conns=many",
        "max_conns=-1",
        "max_conns=0",
        "max_conns=1e3",
        "max_conns=99999999999999999999",
        "max_idle_conns=",
        "max_conn_lifetime=1d",
        "max_conn_lifetime=-5m",
        "max_conn_idle_time=600",
        "pool_mode=expert",
    ],
)
def test_unparsable_pool_parameters_fall_back_with_a_warning(query: str) -> None:
    url = parse_dsn(f"postgres://host/db?{query}")
    assert url.pool == PoolSettings(25, 5, 1800.0, 600.0)
    (warning,) = url.warnings
    assert warning.startswith(query.partition("=")[0])


def test_more_idle_connections_than_connections_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="max_idle_conns"):
        parse_dsn("postgres://host/db?max_conns=2&max_idle_conns=3")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mysql://u:p@tcp(h:3307)/d", ("u", b"p", "h", 3307, "d")),
        ("mysql://u:p@tcp(h)/d", ("u", b"p", "h", 3306, "d")),
        ("mysql://u:p@tcp([2001:db8::1]:3307)/d", ("u", b"p", "2001:db8::1", 3307, "d")),
        ("mysql://u:p@/d", ("u", b"p", "127.0.0.1", 3306, "d")),
        ("mysql://u:p@tcp/d", ("u", b"p", "127.0.0.1", 3306, "d")),
        ("mysql://u@tcp(h:1)/d", ("u", b"", "h", 1, "d")),
        ("mysql:///d", ("", b"", "127.0.0.1", 3306, "d")),
        # Taken literally, as the driver of that spelling does.
        ("mysql://u:p@:/%40?ß@tcp(h:1)/d", ("u", "p@:/%40?ß".encode(), "h", 1, "d")),
        ("mysql://u:p@tcp(h:1)/a%20b", ("u", b"p", "h", 1, "a b")),
    ],
)
def test_mysql_addresses(text: str, expected: tuple[object, ...]) -> None:
    url = parse_dsn(text)
    found = args(url, "user", "password", "host", "port", "database")
    assert tuple(found.values()) == expected


def test_mysql_sockets() -> None:
    url = parse_dsn("mysql://u:p@unix(/run/mysqld/mysqld.sock)/d")
    assert url.connect_args["unix_socket"] == "/run/mysqld/mysqld.sock"
    assert "host" not in url.connect_args


def test_mysql_parameters_of_the_driver() -> None:
    url = parse_dsn(
        "mysql://u:p@tcp(h:1)/d?parseTime=true&multiStatements=true&charset=utf8mb4"
        "&collation=utf8mb4_general_ci&loc=Europe%2FBerlin&timeout=3s&readTimeout=1m"
        "&writeTimeout=0&max_allowed_packet=64&time_zone=%27%2B00:00%27"
    )
    assert args(url, "connect_timeout", "read_timeout", "write_timeout") == {
        "connect_timeout": 3.0,
        "read_timeout": 60.0,
        "write_timeout": None,
    }
    assert url.session == (("max_allowed_packet", "64"), ("time_zone", "'+00:00'"))


def test_mysql_pools() -> None:
    count = processors()
    assert parse_dsn("mysql://u:p@tcp(h)/d").pool == PoolSettings(2 * count, count, 1800.0, 600.0)
    url = parse_dsn("mysql://u:p@tcp(h)/d?max_conns=8&max_idle_conns=8&pool_mode=advanced")
    assert url.pool == PoolSettings(8, 8, 1800.0, 600.0)


def test_mysql_tls() -> None:
    def tls(mode: str) -> dict[str, object]:
        return args(parse_dsn(f"mysql://u:p@tcp(h)/d?tls={mode}"), "ssl_disabled", "ssl")

    assert tls("false") == {"ssl_disabled": True, "ssl": None}
    assert tls("preferred") == {"ssl_disabled": False, "ssl": None}
    verified, unverified = tls("true")["ssl"], tls("skip-verify")["ssl"]
    assert isinstance(verified, ssl.SSLContext)
    assert isinstance(unverified, ssl.SSLContext)
    assert verified.check_hostname
    assert verified.verify_mode is ssl.CERT_REQUIRED
    assert unverified.verify_mode is ssl.CERT_NONE
    assert parse_dsn("mysql://u:p@tcp(h)/d").connect_args["ssl_disabled"] is True


def test_migrate_takes_bare_paths() -> None:
    assert parse_migrate_dsn("/var/lib/talos.db").path == Path("/var/lib/talos.db")
    assert parse_migrate_dsn("rel.db").path == Path("rel.db").absolute()
    assert parse_migrate_dsn("sqlite:///a").path == Path("/a")
    for text in ("/var/lib/talos", ":memory:.db/", "talos"):
        with pytest.raises(ConfigurationError, match="unknown database driver"):
            parse_migrate_dsn(text)


@pytest.mark.parametrize("workers", [1, 2, 3, 7, 12, 25, 40])
def test_the_workers_share_the_connections_of_the_server(workers: int) -> None:
    url = parse_dsn("postgres://u@h/db?max_conns=25&max_idle_conns=5")
    shares = [url.for_worker(worker, workers).pool for worker in range(workers)]
    assert sum(pool.max_open for pool in shares) == max(25, workers)
    assert max(p.max_open for p in shares) - min(p.max_open for p in shares) <= 1
    assert sum(pool.max_idle for pool in shares) == 5
    assert all(1 <= pool.max_open >= pool.max_idle for pool in shares)
    file = parse_dsn("sqlite:///tmp/talos.db")
    assert file.for_worker(1, workers).pool == file.pool


@pytest.mark.parametrize(
    ("mode", "threshold"),
    [
        ("", "automatic"),
        ("cache_statement", 5),
        ("exec", None),
        ("simple_protocol", None),
        ("describe_exec", None),
        ("cache_describe", None),
    ],
)
def test_what_is_prepared_can_be_chosen(mode: str, threshold: object) -> None:
    url = parse_dsn(f"postgres://u@h/db?default_query_exec_mode={mode}")
    assert url.connect_args.get("prepare_threshold", "automatic") == threshold


def test_several_hosts_are_understood() -> None:
    url = parse_dsn("postgres://u:p@a:1,b:2/db?target_session_attrs=read-write")
    assert url.connect_args["host"] == "a,b"
    assert url.connect_args["port"] == "1,2"
    assert url.connect_args["target_session_attrs"] == "read-write"
    assert "a,b" in url.shown
