"""The linker script of a board: which sections lie in flash, which in RAM, and in which order."""

from __future__ import annotations

from pennyweight.deploy.toolchain.memory_map import MemoryMap

STACK_ALIGNMENT_BYTES = 16
"""What the RISC-V calling convention asks for; Arm's asks for 8."""

STACK_SECTION = ".stack"

_SCRIPT = """\
ENTRY(reset)

MEMORY
{{
  FLASH (rx) : ORIGIN = 0x{flash.origin:08x}, LENGTH = {flash.length_bytes}
  RAM (rw) : ORIGIN = 0x{ram.origin:08x}, LENGTH = {ram.length_bytes}
}}

flash_start = ORIGIN(FLASH);
flash_end = ORIGIN(FLASH) + LENGTH(FLASH);
ram_start = ORIGIN(RAM);
ram_end = ORIGIN(RAM) + LENGTH(RAM);

SECTIONS
{{
  .text : {{ KEEP(*(.vectors)) *(.text .text.*) . = ALIGN(4); }} > FLASH
  .rodata : {{ *(.rodata .rodata.* .srodata .srodata.*) . = ALIGN(4); }} > FLASH
  {stack_section} (NOLOAD) : {{ stack_start = .; . = . + {stack_bytes}; stack_end = .; }} > RAM
  .data : {{ data_start = .; *(.data .data.* .sdata .sdata.*) . = ALIGN(4); data_end = .; }} > RAM AT > FLASH
  data_load = LOADADDR(.data);
  .bss (NOLOAD) : {{ bss_start = .; *(.bss .bss.* .sbss .sbss.* COMMON) . = ALIGN(4); bss_end = .; }} > RAM
  /DISCARD/ : {{ *(.ARM.exidx .ARM.exidx.* .ARM.extab .ARM.extab.* .eh_frame .eh_frame.*) }}
}}
"""


def linker_script(memory: MemoryMap, stack_bytes: int) -> str:
    """The linker script for a program with a stack of `stack_bytes`.

    The stack is the first thing in RAM. It grows downwards, so one that grows too large leaves the RAM, which is an
    error at once, rather than overwriting variables.
    """
    return _SCRIPT.format(flash=memory.flash, ram=memory.ram, stack_section=STACK_SECTION, stack_bytes=stack_bytes)
