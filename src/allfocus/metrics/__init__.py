"""Metrics of fused pictures: `reference` where the truth is known, `fusion` where only the frames are."""
