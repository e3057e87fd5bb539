"""C99: an IntegerNetwork becomes `model.h`, `model.c` and the kernels that it uses."""
