"""Running Mien: images, compose, Kubernetes, monitoring, capacity. For operators; nothing here is served."""
