/* Runs many images through a model on this machine, and hands out what its layers make. */
#include <stdint.h>
#include <string.h>

void run_images(int32_t count, const uint8_t *pixels, int8_t *answers);
void run_tensors(int32_t count, const uint8_t *pixels, int8_t *tensors);
static void keep(const int8_t *tensor, uint32_t bytes);

#define PW_END(layer, tensor, bytes) keep(tensor, bytes)
#include "model.c"

static int8_t *kept;

static void keep(const int8_t *tensor, uint32_t bytes)
{
    if (kept != 0) {
        memcpy(kept, tensor, bytes);
        kept += bytes;
    }
}

void run_images(int32_t count, const uint8_t *pixels, int8_t *answers)
{
    const uint32_t bytes = MODEL_INPUT_HEIGHT * MODEL_INPUT_WIDTH * MODEL_INPUT_CHANNELS;
    for (int32_t i = 0; i < count; i++) {
        memcpy(model_input(), pixels, bytes);
        model_run();
        memcpy(answers, model_output(), MODEL_CLASSES);
        pixels += bytes;
        answers += MODEL_CLASSES;
    }
}

void run_tensors(int32_t count, const uint8_t *pixels, int8_t *tensors)
{
    const uint32_t bytes = MODEL_INPUT_HEIGHT * MODEL_INPUT_WIDTH * MODEL_INPUT_CHANNELS;
    kept = tensors;
    for (int32_t i = 0; i < count; i++) {
        memcpy(model_input(), pixels, bytes);
        model_run();
        pixels += bytes;
    }
    kept = 0;
}
