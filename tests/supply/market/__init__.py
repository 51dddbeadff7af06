"""A merchant who buys from simulated suppliers, the real adapters and real sockets in between."""
