/* From reset to main. */
#include <string.h>

#include "board.h"

/* The linker script defines these. */
extern uint8_t stack_end[], data_load[], data_start[], data_end[], bss_start[], bss_end[];

int main(void);
void reset(void);

__attribute__((noreturn, used)) static void start(void)
{
    memcpy(data_start, data_load, (size_t)(data_end - data_start));
    memset(bss_start, 0, (size_t)(bss_end - bss_start));
    board_exit(main());
}

#ifdef __riscv

__asm__(".section .vectors, \"ax\"\n"
        ".global reset\n"
        "reset:\n"
        "    la sp, stack_end\n"
        "    j start\n");

#else

void fault(void);

void fault(void)
{
    for (;;) {
    }
}

/* The exceptions 1 to 15; no interrupt is ever enabled. */
__attribute__((section(".vectors"), used)) static const struct {
    uint8_t *stack;
    void (*reset)(void);
    void (*faults[14])(void);
} vectors = {stack_end, reset, {fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault, fault}};

#ifdef __ARM_FEATURE_MVE

extern uint8_t flash_start[], flash_end[], ram_start[], ram_end[];

/* System registers of ARMv8-M (its manual, D1.2). */
#define REGISTER(address) (*(volatile uint32_t *)(address))
#define VTOR REGISTER(0xE000ED08u)
#define CPACR REGISTER(0xE000ED88u)
#define MPU_CTRL REGISTER(0xE000ED94u)
#define MPU_RNR REGISTER(0xE000ED98u)
#define MPU_RBAR REGISTER(0xE000ED9Cu)
#define MPU_RLAR REGISTER(0xE000EDA0u)

static void allow(uint32_t number, const uint8_t *from, const uint8_t *end, uint32_t rights)
{
    MPU_RNR = number;
    MPU_RBAR = (uint32_t)(uintptr_t)from | rights;
    MPU_RLAR = (((uint32_t)(uintptr_t)end - 1u) & ~31u) | 1u;
}

/* Helium, coprocessors 10 and 11, is for all; and what is neither flash nor RAM is for nobody: QEMU, which alone knows
 * this core, has more memory than the board. */
static void set_up(void)
{
    VTOR = (uint32_t)(uintptr_t)&vectors;
    CPACR |= 0xFu << 20;
    allow(0u, flash_start, flash_end, 6u); /* read and run */
    allow(1u, ram_start, ram_end, 3u);     /* read and write */
    MPU_CTRL = 1u;
    __asm__ volatile("dsb\n isb" ::: "memory");
}

#else

static void set_up(void)
{
}

#endif

__attribute__((noreturn)) void reset(void)
{
    set_up();
    start();
}

#endif
