"""Key caches."""
