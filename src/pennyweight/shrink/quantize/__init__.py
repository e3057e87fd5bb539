"""A trained network in int8: folded, calibrated, turned into integers, and fine-tuned where that costs accuracy."""
