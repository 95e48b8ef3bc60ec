#!/bin/sh
# Installs the server as a service of systemd: the programs in /opt/talos, a user `talos`, the units,
# and, where there is none yet, a configuration in /etc/talos with fresh secrets. To be run as root in
# a checkout; run again it updates the programs and the units and keeps the configuration.
#
# DESTDIR=<folder> puts everything below that folder and makes no user, as packages are built.
set -eu
umask 022
cd "$(dirname "$0")/../.."

DESTDIR=${DESTDIR:-}
PYTHON=${PYTHON:-python3}
programs=$DESTDIR/opt/talos
configuration=$DESTDIR/etc/talos/talos.yaml

pip() {
    "$programs/bin/python" -m pip --quiet --disable-pip-version-check "$@"
}

install -d -m 0755 "$DESTDIR/opt" "$DESTDIR/etc/systemd/system" "$DESTDIR/etc/sysusers.d"
[ -x "$programs/bin/python" ] || "$PYTHON" -m venv "$programs"
pip install --require-hashes --requirement requirements/build.txt
pip install --require-hashes --requirement requirements/runtime.txt
pip install --no-build-isolation --no-deps --force-reinstall .

install -m 0644 packaging/systemd/talos.sysusers.conf "$DESTDIR/etc/sysusers.d/talos.conf"
install -m 0644 packaging/systemd/talos.service packaging/systemd/talos.socket \
    "$DESTDIR/etc/systemd/system/"
if [ -z "$DESTDIR" ]; then
    systemd-sysusers talos.conf
    install -d -m 0750 -g talos /etc/talos
else
    install -d -m 0750 "$DESTDIR/etc/talos"
fi

if [ ! -e "$configuration" ]; then
    umask 027
    random() { "$programs/bin/python" -c 'import secrets; print(secrets.token_urlsafe(48))'; }
    keys=$("$programs/bin/talos" jwk generate eddsa --jwks 2>/dev/null | base64 -w0)
    cat > "$configuration.new" <<END
# Made by the installation. It holds secrets: keep it to root and the group talos.
# Every setting is explained in docs/settings.md; \`talos config validate\` checks an edit.
serve:
  http: {host: 127.0.0.1, port: 4420}
  metrics: {host: 127.0.0.1, port: 4422}
db:
  dsn: sqlite:///var/lib/talos/talos.db
credentials:
  # The public URL of this deployment; it stands in every token.
  issuer: http://127.0.0.1:4420
  derived_tokens:
    jwt:
      signing_keys:
        urls: ["base64://$keys"]
secrets:
  hmac:
    current: $(random)
END
    chmod 0640 "$configuration.new"
    [ -n "$DESTDIR" ] || chgrp talos "$configuration.new"
    mv "$configuration.new" "$configuration"
fi
"$programs/bin/talos" config validate --config "$configuration"

if [ -z "$DESTDIR" ]; then
    systemctl daemon-reload
    echo "Installed. Edit /etc/talos/talos.yaml, then:"
    echo "  systemctl enable --now talos.socket talos.service"
    echo "  /opt/talos/bin/talos keys issue first --actor user:me"
fi
