"""Stand-ins for what the services need from outside; each obeys its port (talos.services.ports)."""
