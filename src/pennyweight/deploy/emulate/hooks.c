/* What unicorn's hooks call too often for Python: the count of instructions, and the check that accesses are aligned. */
#include <stdint.h>

struct counter {
    uint64_t instructions; /* of all blocks that ran, and of the one that is about to */
    uint64_t before;       /* of all blocks that ran */
    uint64_t limit;
    uint64_t origin; /* the address of code[0] */
    uint64_t bytes;  /* of code; the buffer is two bytes longer */
    const uint8_t *code;
    uint32_t *known;    /* for each halfword of code, of the block there: its bytes << 16 | its instructions */
    uint32_t long_mask; /* an instruction has 4 bytes where its first halfword under this mask ... */
    uint32_t long_from; /* ... is this or more, else 2 */
    int (*stop)(void *engine);
    void (*misaligned)(uint64_t address, int32_t bytes);
};

void count_block(void *engine, uint64_t address, uint32_t size, struct counter *counter);
void check_access(void *engine, int32_t kind, uint64_t address, int32_t bytes, int64_t value, struct counter *counter);

static uint32_t decode(const struct counter *counter, uint64_t offset, uint32_t size)
{
    uint32_t count = 0;
    for (uint32_t at = 0; at < size && offset + at < counter->bytes; count++) {
        const uint8_t *byte = counter->code + offset + at;
        const uint32_t halfword = (uint32_t)byte[0] | ((uint32_t)byte[1] << 8);
        at += (halfword & counter->long_mask) >= counter->long_from ? 4u : 2u;
    }
    return count;
}

/* Before each run of a translated block. */
void count_block(void *engine, uint64_t address, uint32_t size, struct counter *counter)
{
    const uint64_t offset = address - counter->origin;
    if (offset >= counter->bytes) {
        return; /* no program lies there: unicorn reports it */
    }
    uint32_t *known = &counter->known[offset >> 1];
    if (*known >> 16 != size) {
        *known = (size << 16) | decode(counter, offset, size);
    }
    counter->before = counter->instructions;
    counter->instructions += *known & 0xFFFFu;
    if (counter->instructions > counter->limit) {
        (void)counter->stop(engine);
    }
}

/* Before each access to memory. */
void check_access(void *engine, int32_t kind, uint64_t address, int32_t bytes, int64_t value, struct counter *counter)
{
    (void)engine, (void)kind, (void)value;
    if ((address & (uint64_t)(bytes - 1)) != 0u) {
        counter->misaligned(address, bytes);
    }
}
