/* What unicorn's hooks call too often for Python: the count of instructions, and what is to be seen of accesses. */
#include <stdint.h>

/* The fields of kinds.py, in its order. */
enum {
    LOADS,
    LOAD_RUNS,
    STORES,
    TRANSFERS,
    REGISTERS,
    MULTIPLIES,
    ACCUMULATES,
    LONG_MULTIPLIES,
    DIVIDES,
    BRANCHES,
    TAKEN,
    OTHERS,
    FLASH_LOADS,
    KINDS
};

/* What one run of a block adds. */
struct block {
    uint32_t bytes;
    uint32_t instructions;
    uint32_t kinds[KINDS];
};

struct counter {
    uint64_t instructions; /* of all blocks that ran, and of the one that is about to */
    uint64_t before;       /* of all blocks that ran */
    uint64_t limit;
    uint64_t kinds[KINDS];  /* as `instructions` */
    uint64_t follows;       /* the address behind the block that is about to run */
    uint64_t origin;        /* the address of code[0] */
    uint64_t bytes;         /* of code; the buffer is four bytes longer */
    const uint8_t *code;
    uint32_t *known;        /* for each halfword of code, the number of the block there; 0 is none */
    struct block *blocks;   /* number 0 stays empty; where there is no room for more, the last one is decoded again */
    struct block *running;  /* the one that is about to run */
    uint32_t block_count, most_blocks;
    uint32_t is_arm;
    int (*stop)(void *engine);
    void (*misaligned)(uint64_t address, int32_t bytes); /* may be absent */
};

void count_block(void *engine, uint64_t address, uint32_t size, struct counter *counter);
void watch_access(void *engine, int32_t kind, uint64_t address, int32_t bytes, int64_t value, struct counter *counter);

static uint32_t ones(uint32_t bits)
{
    uint32_t count = 0;
    for (; bits != 0u; bits &= bits - 1u) {
        count++;
    }
    return count;
}

static int transfer(struct block *block, uint32_t registers)
{
    block->kinds[REGISTERS] += registers;
    return TRANSFERS;
}

/* Thumb's short instructions (ARMv7-M, A5.2). */
static int short_thumb(struct block *block, uint32_t h)
{
    const uint32_t top = h >> 11; /* five bits */
    if (top == 9u) {
        return LOADS; /* LDR (literal) */
    }
    if (top == 10u || top == 11u) { /* by a register: 0 to 2 are stores */
        return ((h >> 9) & 7u) >= 3u ? LOADS : STORES;
    }
    if (top >= 12u && top <= 19u) {
        return (top & 1u) != 0u ? LOADS : STORES;
    }
    if (top == 24u || top == 25u) {
        return transfer(block, ones(h & 0xFFu)); /* STM, LDM */
    }
    if ((h & 0xF600u) == 0xB400u) {
        return transfer(block, ones(h & 0x1FFu)); /* PUSH, POP */
    }
    if ((h & 0xFFC0u) == 0x4340u) {
        return MULTIPLIES;
    }
    if (top == 28u || (h & 0xFF00u) == 0x4700u || (h & 0xF500u) == 0xB100u) {
        return BRANCHES; /* B, BX and BLX, CBZ and CBNZ */
    }
    return (h & 0xF000u) == 0xD000u && (h & 0x0F00u) < 0x0E00u ? BRANCHES : OTHERS; /* B<c> */
}

/* Its long ones (A5.3). */
static int long_thumb(struct block *block, uint32_t h, uint32_t second)
{
    if ((h & 0xFE40u) == 0xE800u) {
        return transfer(block, ones(second)); /* LDM, STM */
    }
    if ((h & 0xFFF0u) == 0xE8D0u && (second & 0xFFE0u) == 0xF000u) {
        return LOADS; /* TBB, TBH */
    }
    if ((h & 0xFE40u) == 0xE840u) {
        return transfer(block, 2u); /* LDRD, STRD */
    }
    if ((h & 0xFE00u) == 0xF800u) {
        return (h & 0x10u) != 0u ? LOADS : STORES;
    }
    if ((h & 0xFF80u) == 0xFB00u) {
        return (second & 0xF000u) == 0xF000u ? MULTIPLIES : ACCUMULATES;
    }
    if ((h & 0xFFD0u) == 0xFB90u) {
        return DIVIDES;
    }
    if ((h & 0xFF80u) == 0xFB80u) {
        return LONG_MULTIPLIES;
    }
    if ((h & 0xF800u) == 0xF000u && (second & 0x8000u) != 0u) {
        return BRANCHES;
    }
    return OTHERS;
}

/* RISC-V's short instructions (unprivileged specification, "C" extension). */
static int short_riscv(uint32_t h)
{
    switch (((h & 3u) << 3) | (h >> 13)) { /* opcode and funct3 */
    case 0x02u: /* C.LW */
    case 0x12u: /* C.LWSP */
        return LOADS;
    case 0x06u: /* C.SW */
    case 0x16u: /* C.SWSP */
        return STORES;
    case 0x09u: /* C.JAL */
    case 0x0Du: /* C.J */
    case 0x0Eu: /* C.BEQZ */
    case 0x0Fu: /* C.BNEZ */
        return BRANCHES;
    case 0x14u: /* C.JR and C.JALR, else C.MV and C.ADD */
        return (h & 0x7Cu) == 0u ? BRANCHES : OTHERS;
    default:
        return OTHERS;
    }
}

static int long_riscv(uint32_t h, uint32_t second)
{
    const uint32_t funct3 = (h >> 12) & 7u;
    switch (h & 0x7Fu) {
    case 0x03u:
        return LOADS;
    case 0x23u:
        return STORES;
    case 0x63u:
    case 0x67u:
    case 0x6Fu:
        return BRANCHES;
    case 0x33u:
        if ((second >> 9) != 1u) {
            return OTHERS;
        }
        return funct3 == 0u ? MULTIPLIES : funct3 < 4u ? LONG_MULTIPLIES : DIVIDES;
    default:
        return OTHERS;
    }
}

static void decode(const struct counter *counter, struct block *block, uint64_t offset, uint32_t size)
{
    int last = OTHERS;
    *block = (struct block){.bytes = size};
    for (uint32_t at = 0; at < size && offset + at < counter->bytes; block->instructions++) {
        const uint8_t *byte = counter->code + offset + at;
        const uint32_t h = (uint32_t)byte[0] | ((uint32_t)byte[1] << 8);
        const uint32_t second = (uint32_t)byte[2] | ((uint32_t)byte[3] << 8);
        /* Four bytes has an instruction whose first five bits are 0b11101 or more (ARMv7-M, A5.1); in RISC-V, one whose
         * lowest two bits are 0b11. */
        const int is_long = counter->is_arm ? h >= 0xE800u : (h & 3u) == 3u;
        int kind;
        if (counter->is_arm) {
            kind = is_long ? long_thumb(block, h, second) : short_thumb(block, h);
        } else {
            kind = is_long ? long_riscv(h, second) : short_riscv(h);
        }
        block->kinds[kind]++;
        block->kinds[LOAD_RUNS] += kind == LOADS && last != LOADS ? 1u : 0u;
        last = kind;
        at += is_long ? 4u : 2u;
    }
}

/* Before each run of a translated block. */
void count_block(void *engine, uint64_t address, uint32_t size, struct counter *counter)
{
    const uint64_t offset = address - counter->origin;
    if (offset >= counter->bytes) {
        return; /* no program lies there: unicorn reports it */
    }
    uint32_t *known = &counter->known[offset >> 1];
    if (*known == 0u) {
        counter->block_count += counter->block_count < counter->most_blocks ? 1u : 0u;
        *known = counter->block_count;
        counter->blocks[*known].bytes = 0u;
    }
    struct block *block = &counter->blocks[*known];
    if (block->bytes != size || counter->block_count == counter->most_blocks) {
        decode(counter, block, offset, size);
    }
    counter->running = block;
    counter->before = counter->instructions;
    counter->instructions += block->instructions;
    for (int kind = 0; kind < KINDS; kind++) {
        counter->kinds[kind] += block->kinds[kind];
    }
    counter->kinds[TAKEN] += address != counter->follows ? 1u : 0u;
    counter->follows = address + size;
    if (counter->instructions > counter->limit) {
        (void)counter->stop(engine);
    }
}

/* Before each access to memory; the program may not write to flash. */
void watch_access(void *engine, int32_t kind, uint64_t address, int32_t bytes, int64_t value, struct counter *counter)
{
    (void)engine, (void)kind, (void)value;
    counter->kinds[FLASH_LOADS] += address - counter->origin < counter->bytes ? 1u : 0u;
    if (counter->misaligned && (address & (uint64_t)(bytes - 1)) != 0u) {
        counter->misaligned(address, bytes);
    }
}
