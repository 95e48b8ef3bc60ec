"""djangorestframework-api-key as its documentation sets it up, in one module.

``BENCH_DATABASE`` is the SQLite file. Run as a program it makes the tables and prints a fresh key.
"""

import os
from datetime import UTC, datetime, timedelta

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="test-secret-of-a-throwaway-site",
    ALLOWED_HOSTS=["127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    # As in every new project, it tells the length of answers.
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    INSTALLED_APPS=["rest_framework", "rest_framework_api_key"],
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": os.environ["BENCH_DATABASE"],
            # As Django advises for production: connections are kept.
            "CONN_MAX_AGE": None,
        }
    },
    DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": [],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        "UNAUTHENTICATED_USER": None,
    },
)
django.setup()

from django.core.management import call_command  # noqa: E402  (Django wants to be set up first)
from django.core.wsgi import get_wsgi_application  # noqa: E402  (likewise)
from django.urls import path  # noqa: E402  (likewise)
from rest_framework.request import Request  # noqa: E402  (likewise)
from rest_framework.response import Response  # noqa: E402  (likewise)
from rest_framework.views import APIView  # noqa: E402  (likewise)
from rest_framework_api_key.models import APIKey  # noqa: E402  (likewise)
from rest_framework_api_key.permissions import HasAPIKey  # noqa: E402  (likewise)


class Verify(APIView):
    """Answers whoever has a key. The permission class does the work that is measured."""

    permission_classes = [HasAPIKey]  # noqa: RUF012  (the framework's way)

    def post(self, request: Request) -> Response:
        """Answer 200; who has no key got 403 before."""
        return Response({"is_valid": True, "actor_id": "service:billing"})


urlpatterns = [path("verify", Verify.as_view())]
application = get_wsgi_application()


def main() -> None:
    """Make the tables and a key."""
    call_command("migrate", verbosity=0)
    expiry = datetime.now(UTC) + timedelta(days=1)
    _, key = APIKey.objects.create_key(name="bench", expiry_date=expiry)
    print(key)


if __name__ == "__main__":
    main()
