"""From paths, folders, volumes and arrays to what can be fused."""
