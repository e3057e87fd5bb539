"""The toolchain: C becomes a program for a board, or for this machine, with compilers that pip installs."""
