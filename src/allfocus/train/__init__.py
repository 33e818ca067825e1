"""Training: inter-image pixel shuffling, the cross-image network, the loop. The only user of torch."""
