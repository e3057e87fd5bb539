"""Virtual boards: the firmware of a board runs here, in unicorn, or in QEMU where that is installed."""
