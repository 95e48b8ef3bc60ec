"""Tests against real databases and Redis."""

import pytest

pytest.register_assert_rewrite("tests.integration.repository_contract")
