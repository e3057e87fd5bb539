/* Runs the images of the input through a model on a board, and writes the answers, or all that its layers make. */
#include "board.h"

#define INPUT 0xFFFFu /* the mark of what is no layer's work */

#define PW_BEGIN(layer) board_mark(layer)
#ifdef WRITE_TENSORS
#define PW_END(layer, tensor, bytes) (board_mark(INPUT), (void)board_write(tensor, bytes))
#else
#define PW_END(layer, tensor, bytes) board_mark(INPUT)
#endif
#include "model.c"

int main(void)
{
    const uint32_t bytes = MODEL_INPUT_HEIGHT * MODEL_INPUT_WIDTH * MODEL_INPUT_CHANNELS;
    while (board_read(model_input(), bytes) == bytes) {
        model_run();
#ifndef WRITE_TENSORS
        (void)board_write(model_output(), MODEL_CLASSES);
#endif
    }
    return 0;
}
