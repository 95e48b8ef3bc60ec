"""The use cases, one module a verb. What they need from outside is declared in ``ports``."""
