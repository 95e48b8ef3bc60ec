"""Where logs and audit events go."""
