"""Adapters without their servers."""
