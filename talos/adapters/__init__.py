"""Implementations of the ports in `talos.services.ports`, a package a technology."""
