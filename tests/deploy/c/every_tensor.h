/* Comes before the C of one of several networks: its layers say who they are, and write what they make. */
#include "board.h"

#define PW_BEGIN(layer) board_mark(NETWORK * 1000u + (layer))
#define PW_END(layer, tensor, bytes) ((void)board_write(tensor, bytes))
