/* Runs several networks, each on its images, and writes every tensor that their layers make. */
#include "board.h"
#include "networks.h" /* NETWORKS calls its argument for each; IMAGES are those of one */

#define RUN(name, NAME) \
    for (int32_t image = 0; image < IMAGES; image++) { \
        (void)board_read(name##_input(), NAME##_INPUT_HEIGHT * NAME##_INPUT_WIDTH * NAME##_INPUT_CHANNELS); \
        name##_run(); \
    }

int main(void)
{
    NETWORKS(RUN)
    return 0;
}
