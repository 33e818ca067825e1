"""Training: inter-image pixel shuffling, the cross-image network, the trainer. The only user of torch."""
